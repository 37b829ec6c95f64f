//! Base64 over plain bytes: whole groups by tables, what is left over and what is out of the ordinary digit by digit.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// No digit.
const NONE: u8 = 0xFF;

/// What each character stands for.
static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut i = 0;
    while i < 64 {
        values[DIGITS[i] as usize] = i as u8;
        i += 1;
    }
    values
};

/// How many characters `n` bytes give.
pub fn encoded_len(n: usize) -> usize {
    n.div_ceil(3) * 4
}

/// Writes the digits of `s`, which fill `out`.
pub fn encode(s: &[u8], out: &mut [u8]) {
    debug_assert_eq!(out.len(), encoded_len(s.len()));
    let (threes, rest) = s.as_chunks::<3>();
    let (fours, last) = out.as_chunks_mut::<4>().0.split_at_mut(threes.len());
    let digit = |n: u32| DIGITS[(n & 63) as usize];
    let group = |n: u32| [digit(n >> 18), digit(n >> 12), digit(n >> 6), digit(n)];
    for (four, &[a, b, c]) in fours.iter_mut().zip(threes) {
        *four = group(u32::from_be_bytes([0, a, b, c]));
    }
    if let Some(four) = last.first_mut() {
        let byte = |i: usize| rest.get(i).copied().unwrap_or(0);
        *four = group(u32::from_be_bytes([0, byte(0), byte(1), 0]));
        four[3] = b'=';
        if rest.len() < 2 {
            four[2] = b'=';
        }
    }
}

/// Decodes whole groups of four digits at the start of `s`; gives how many characters that were.
fn decode_groups(s: &[u8], out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let groups = s.as_chunks::<4>().0;
    out.resize(start + groups.len() * 3, 0);
    let mut done = 0;
    for (three, four) in out[start..].as_chunks_mut::<3>().0.iter_mut().zip(groups) {
        let value = |i: usize| VALUES[usize::from(four[i])];
        let (a, b, c, d) = (value(0), value(1), value(2), value(3));
        if (a | b | c | d) & 0x80 != 0 {
            break;
        }
        *three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        done += 1;
    }
    out.truncate(start + done * 3);
    done * 4
}

/// Leniently, characters that are no digits are skipped, and so is padding before more of them.
pub fn decode(s: &[u8], strict: bool) -> Result<Vec<u8>, String> {
    if strict && s.first() == Some(&b'=') {
        return Err("Leading padding not allowed".into());
    }
    let mut out = Vec::with_capacity(s.len() / 4 * 3 + 3);
    let (mut phase, mut left, mut pads, mut padding) = (0, 0u8, 0, false);
    let mut rest = s;
    loop {
        // Strictly, digits behind padding are errors, which are told apart below.
        if phase == 0 && !(strict && padding) {
            let n = decode_groups(rest, &mut out);
            rest = &rest[n..];
            if n > 0 {
                pads = 0;
            }
        }
        let Some((&b, behind)) = rest.split_first() else {
            break;
        };
        rest = behind;
        if b == b'=' {
            padding = true;
            if strict && (phase == 0 || phase + pads >= 4) {
                return Err("Excess padding not allowed".into());
            }
            if phase >= 2 {
                pads += 1;
            }
            continue;
        }
        let digit = VALUES[usize::from(b)];
        if digit == NONE {
            if strict {
                return Err("Only base64 data is allowed".into());
            }
            continue;
        }
        if strict && padding {
            return Err(match phase + pads {
                4 => "Excess data after padding".into(),
                _ => "Discontinuous padding not allowed".into(),
            });
        }
        pads = 0;
        match phase {
            0 => left = digit,
            1 => {
                out.push(left << 2 | digit >> 4);
                left = digit & 0x0F;
            }
            2 => {
                out.push(left << 4 | digit >> 2);
                left = digit & 3;
            }
            _ => {
                out.push(left << 6 | digit);
                left = 0;
            }
        }
        phase = (phase + 1) % 4;
    }
    match phase {
        0 => Ok(out),
        1 => {
            let digits = out.len() / 3 * 4 + 1;
            Err(format!(
                "Invalid base64-encoded string: number of data characters ({digits}) cannot be 1 more than a multiple of 4"
            ))
        }
        _ if phase + pads >= 4 => Ok(out),
        _ => Err("Incorrect padding".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        assert_eq!(decode(b"YWJj\nZA==\n", false).unwrap(), b"abcd");
        assert_eq!(decode(b"YQ", false).unwrap_err(), "Incorrect padding");
        assert!(decode(b"YWJjZ", false).unwrap_err().contains("(5)"));
        assert_eq!(
            decode(b"YQ==YQ==", true).unwrap_err(),
            "Excess data after padding"
        );
        assert_eq!(
            decode(b"Y Q==", true).unwrap_err(),
            "Only base64 data is allowed"
        );
    }

    #[test]
    fn all_lengths() {
        let bytes: Vec<u8> = (0..70u8).map(|i| i.wrapping_mul(37)).collect();
        for n in 0..bytes.len() {
            let mut digits = vec![0; encoded_len(n)];
            encode(&bytes[..n], &mut digits);
            assert_eq!(decode(&digits, true).as_deref(), Ok(&bytes[..n]));
            // Line ends within and between groups of digits.
            for width in [3, 4, 5] {
                let lines: Vec<u8> = digits.chunks(width).collect::<Vec<_>>().join(&b'\n');
                assert_eq!(decode(&lines, false).as_deref(), Ok(&bytes[..n]));
            }
        }
    }
}
