//! `termios`: settings of terminals.

use crate::support::{self, add, add_ints, c_int, fileno, int_obj};
use std::sync::OnceLock;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

/// `termios.error`
fn class(t: &mut Thread) -> Res<Obj> {
    static ERROR: OnceLock<SharedObj> = OnceLock::new();
    if let Some(class) = ERROR.get() {
        return Ok(class.get(t));
    }
    let bases = [&errors::EXCEPTION];
    let class = crate::_signal::new_exception_class(t, "error", "termios", &bases)?;
    Ok(ERROR.get_or_init(|| SharedObj::new(t, class)).get(t))
}

/// Raises `termios.error` with an error number of the system and what it means.
fn failed(t: &mut Thread, e: i32) -> Raised {
    match class(t) {
        Ok(class) => {
            let text = std::io::Error::from_raw_os_error(e).to_string();
            let text = text.split(" (os error").next().unwrap_or("").to_owned();
            let args = vec![int_obj(t, e.into()), Str::from_string(t, text)];
            t.raise_args(Type::of_unchecked(class.value()), args)
        }
        Err(e) => e,
    }
}

/// Makes a call that gives -1 on error, detached, again after signals.
fn done(t: &mut Thread, mut f: impl FnMut() -> i32) -> Res<()> {
    match support::retry(t, || f() as isize)? {
        Ok(_) => Ok(()),
        Err(e) => Err(failed(t, e)),
    }
}

fn zeroed() -> libc::termios {
    // SAFETY: numbers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn tcgetattr(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let mut mode = zeroed();
    // SAFETY: room for the answer.
    done(t, || unsafe { libc::tcgetattr(fd, &mut mode) })?;
    // SAFETY: settings that the system has given.
    let (input, output) = unsafe { (libc::cfgetispeed(&mode), libc::cfgetospeed(&mode)) };
    let canonical = mode.c_lflag & libc::ICANON != 0;
    let one = |(i, c): (usize, &libc::cc_t)| {
        if !canonical && (i == libc::VMIN || i == libc::VTIME) {
            int_obj(t, (*c).into())
        } else {
            Bytes::new(t, &[*c])
        }
    };
    let cc = mode.c_cc.iter().enumerate().map(one).collect();
    let numbers = [
        mode.c_iflag,
        mode.c_oflag,
        mode.c_cflag,
        mode.c_lflag,
        input,
        output,
    ];
    let mut parts: Vec<Obj> = numbers.iter().map(|n| int_obj(t, (*n).into())).collect();
    parts.push(List::from_vec(t, cc));
    Ok(List::from_vec(t, parts).into())
}

fn flags(t: &mut Thread, v: Value) -> Res<libc::tcflag_t> {
    let n = proto::index_i64(t, v)?;
    if n < 0 {
        return Err(t.value_error("Cannot convert negative int"));
    }
    match libc::tcflag_t::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => Err(t.overflow_error("Python int too large for C tcflag_t")),
    }
}

fn control_characters(t: &mut Thread, v: Value, cc: &mut [libc::cc_t]) -> Res<()> {
    let wrong = |t: &mut Thread| {
        let n = libc::NCCS;
        t.type_error(format!("tcsetattr: attributes[6] must be {n} element list"))
    };
    let Some(list) = List::of(v).filter(|l| l.len() == cc.len()) else {
        return Err(wrong(t));
    };
    for (i, c) in cc.iter_mut().enumerate() {
        let Some(item) = list.get(t, i).map(|o| o.to_obj(t)) else {
            return Err(wrong(t));
        };
        *c = match Bytes::of(item.value()) {
            Some(b) if b.len() == 1 => b.as_slice()[0],
            _ if weft_objects::int::is_int(item.value()) => {
                proto::index_i64(t, item.value())? as libc::cc_t
            }
            _ => {
                return Err(t.type_error(
                    "tcsetattr: elements of attributes must be characters or integers".into(),
                ));
            }
        };
    }
    Ok(())
}

fn tcsetattr(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let when = c_int(t, a[1])?;
    let Some(list) = List::of(a[2]).filter(|l| l.len() == 7) else {
        return Err(t.type_error("tcsetattr, arg 3: must be 7 element list".into()));
    };
    let parts: Vec<Obj> = (0..7)
        .filter_map(|i| list.get(t, i).map(|o| o.to_obj(t)))
        .collect();
    if parts.len() != 7 {
        return Err(t.type_error("tcsetattr, arg 3: must be 7 element list".into()));
    }
    // What the list does not say stays as it is.
    let mut mode = zeroed();
    // SAFETY: room for the answer.
    done(t, || unsafe { libc::tcgetattr(fd, &mut mode) })?;
    mode.c_iflag = flags(t, parts[0].value())?;
    mode.c_oflag = flags(t, parts[1].value())?;
    mode.c_cflag = flags(t, parts[2].value())?;
    mode.c_lflag = flags(t, parts[3].value())?;
    let (input, output) = (flags(t, parts[4].value())?, flags(t, parts[5].value())?);
    control_characters(t, parts[6].value(), &mut mode.c_cc)?;
    // SAFETY: settings.
    if unsafe {
        libc::cfsetispeed(&mut mode, input) < 0 || libc::cfsetospeed(&mut mode, output) < 0
    } {
        let e = support::errno();
        return Err(failed(t, e));
    }
    // SAFETY: settings to read.
    done(t, || unsafe { libc::tcsetattr(fd, when, &mode) })?;
    Ok(Value::NONE)
}

/// A call that takes a terminal and a number.
fn act(t: &mut Thread, a: &[Value], f: unsafe extern "C" fn(i32, i32) -> i32) -> Res {
    let fd = fileno(t, a[0])?;
    let n = c_int(t, a[1])?;
    // SAFETY: takes numbers only.
    done(t, || unsafe { f(fd, n) })?;
    Ok(Value::NONE)
}

fn tcdrain(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    // SAFETY: takes a number only.
    done(t, || unsafe { libc::tcdrain(fd) })?;
    Ok(Value::NONE)
}

fn window(t: &mut Thread, fd: i32) -> Res<libc::winsize> {
    // SAFETY: numbers, for which zero is a value.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: room for the answer.
    done(t, || unsafe {
        libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size)
    })?;
    Ok(size)
}

fn tcgetwinsize(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let size = window(t, fd)?;
    let [rows, columns] = [size.ws_row, size.ws_col].map(|n| int_obj(t, n.into()));
    Ok(Tuple::pair(t, rows, columns).into())
}

fn tcsetwinsize(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let shape = "tcsetwinsize, arg 2: must be a two-item sequence";
    if !proto::is_sequence(t, a[1]) {
        return Err(t.type_error(shape.into()));
    }
    let parts = proto::to_vec(t, a[1])?;
    let [rows, columns] = parts.as_slice() else {
        return Err(t.type_error(shape.into()));
    };
    let (rows, columns) = (
        proto::index_i64(t, rows.value())?,
        proto::index_i64(t, columns.value())?,
    );
    let mut size = window(t, fd)?;
    let (Ok(r), Ok(c)) = (u16::try_from(rows), u16::try_from(columns)) else {
        return Err(t.overflow_error("winsize value(s) out of range."));
    };
    (size.ws_row, size.ws_col) = (r, c);
    // SAFETY: a size to read.
    done(t, || unsafe {
        libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size)
    })?;
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("tcgetattr", "(fd, /)", tcgetattr)
        .doc("Get the tty attributes for file descriptor fd."),
    NativeDef::new("tcsetattr", "(fd, when, attributes, /)", tcsetattr)
        .doc("Set the tty attributes for file descriptor fd."),
    NativeDef::new("tcsendbreak", "(fd, duration, /)", |t, a| {
        act(t, a, libc::tcsendbreak)
    })
    .doc("Send a break on file descriptor fd."),
    NativeDef::new("tcdrain", "(fd, /)", tcdrain)
        .doc("Wait until all output written to file descriptor fd has been transmitted."),
    NativeDef::new("tcflush", "(fd, queue, /)", |t, a| act(t, a, libc::tcflush))
        .doc("Discard queued data on file descriptor fd."),
    NativeDef::new("tcflow", "(fd, action, /)", |t, a| act(t, a, libc::tcflow))
        .doc("Suspend or resume input or output on file descriptor fd."),
    NativeDef::new("tcgetwinsize", "(fd, /)", tcgetwinsize)
        .doc("Get the tty winsize for file descriptor fd."),
    NativeDef::new("tcsetwinsize", "(fd, winsize, /)", tcsetwinsize)
        .doc("Set the tty winsize for file descriptor fd."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "This module provides an interface to the Posix calls for tty I/O control.";
    let m = support::module(t, "termios", doc, FUNCTIONS);
    let class = class(t)?;
    add(t, &m, "error", class);
    add_ints(t, &m, INTS);
    Ok(m)
}

static INTS: &[(&str, i64)] = &[
    ("B0", libc::B0 as i64),
    ("B1000000", libc::B1000000 as i64),
    ("B110", libc::B110 as i64),
    ("B115200", libc::B115200 as i64),
    ("B1152000", libc::B1152000 as i64),
    ("B1200", libc::B1200 as i64),
    ("B134", libc::B134 as i64),
    ("B14400", 0x3840),
    ("B150", libc::B150 as i64),
    ("B1500000", libc::B1500000 as i64),
    ("B1800", libc::B1800 as i64),
    ("B19200", libc::B19200 as i64),
    ("B200", libc::B200 as i64),
    ("B2000000", libc::B2000000 as i64),
    ("B230400", libc::B230400 as i64),
    ("B2400", libc::B2400 as i64),
    ("B2500000", libc::B2500000 as i64),
    ("B28800", 0x7080),
    ("B300", libc::B300 as i64),
    ("B3000000", libc::B3000000 as i64),
    ("B3500000", libc::B3500000 as i64),
    ("B38400", libc::B38400 as i64),
    ("B4000000", libc::B4000000 as i64),
    ("B460800", libc::B460800 as i64),
    ("B4800", libc::B4800 as i64),
    ("B50", libc::B50 as i64),
    ("B500000", libc::B500000 as i64),
    ("B57600", libc::B57600 as i64),
    ("B576000", libc::B576000 as i64),
    ("B600", libc::B600 as i64),
    ("B7200", 0x1c20),
    ("B75", libc::B75 as i64),
    ("B76800", 0x12c00),
    ("B921600", libc::B921600 as i64),
    ("B9600", libc::B9600 as i64),
    ("BRKINT", libc::BRKINT as i64),
    ("BS0", libc::BS0 as i64),
    ("BS1", libc::BS1 as i64),
    ("BSDLY", libc::BSDLY as i64),
    ("CBAUD", libc::CBAUD as i64),
    ("CBAUDEX", libc::CBAUDEX as i64),
    ("CDSUSP", 0x19),
    ("CEOF", 0x4),
    ("CEOL", 0x0),
    ("CEOT", 0x4),
    ("CERASE", 0x7f),
    ("CFLUSH", 0xf),
    ("CIBAUD", libc::CIBAUD as i64),
    ("CINTR", 0x3),
    ("CKILL", 0x15),
    ("CLNEXT", 0x16),
    ("CLOCAL", libc::CLOCAL as i64),
    ("CQUIT", 0x1c),
    ("CR0", libc::CR0 as i64),
    ("CR1", libc::CR1 as i64),
    ("CR2", libc::CR2 as i64),
    ("CR3", libc::CR3 as i64),
    ("CRDLY", libc::CRDLY as i64),
    ("CREAD", libc::CREAD as i64),
    ("CRPRNT", 0x12),
    ("CRTSCTS", libc::CRTSCTS as i64),
    ("CS5", libc::CS5 as i64),
    ("CS6", libc::CS6 as i64),
    ("CS7", libc::CS7 as i64),
    ("CS8", libc::CS8 as i64),
    ("CSIZE", libc::CSIZE as i64),
    ("CSTART", 0x11),
    ("CSTOP", 0x13),
    ("CSTOPB", libc::CSTOPB as i64),
    ("CSUSP", 0x1a),
    ("CWERASE", 0x17),
    ("ECHO", libc::ECHO as i64),
    ("ECHOCTL", libc::ECHOCTL as i64),
    ("ECHOE", libc::ECHOE as i64),
    ("ECHOK", libc::ECHOK as i64),
    ("ECHOKE", libc::ECHOKE as i64),
    ("ECHONL", libc::ECHONL as i64),
    ("ECHOPRT", libc::ECHOPRT as i64),
    ("EXTA", libc::EXTA as i64),
    ("EXTB", libc::EXTB as i64),
    ("EXTPROC", libc::EXTPROC as i64),
    ("FF0", libc::FF0 as i64),
    ("FF1", libc::FF1 as i64),
    ("FFDLY", libc::FFDLY as i64),
    ("FIOASYNC", libc::FIOASYNC as i64),
    ("FIOCLEX", libc::FIOCLEX as i64),
    ("FIONBIO", libc::FIONBIO as i64),
    ("FIONCLEX", libc::FIONCLEX as i64),
    ("FIONREAD", libc::FIONREAD as i64),
    ("FLUSHO", libc::FLUSHO as i64),
    ("HUPCL", libc::HUPCL as i64),
    ("IBSHIFT", libc::IBSHIFT as i64),
    ("ICANON", libc::ICANON as i64),
    ("ICRNL", libc::ICRNL as i64),
    ("IEXTEN", libc::IEXTEN as i64),
    ("IGNBRK", libc::IGNBRK as i64),
    ("IGNCR", libc::IGNCR as i64),
    ("IGNPAR", libc::IGNPAR as i64),
    ("IMAXBEL", libc::IMAXBEL as i64),
    ("INLCR", libc::INLCR as i64),
    ("INPCK", libc::INPCK as i64),
    ("IOCSIZE_MASK", 0x3fff0000),
    ("IOCSIZE_SHIFT", 0x10),
    ("ISIG", libc::ISIG as i64),
    ("ISTRIP", libc::ISTRIP as i64),
    ("IUCLC", libc::IUCLC as i64),
    ("IUTF8", libc::IUTF8 as i64),
    ("IXANY", libc::IXANY as i64),
    ("IXOFF", libc::IXOFF as i64),
    ("IXON", libc::IXON as i64),
    ("NCCS", libc::NCCS as i64),
    ("NL0", libc::NL0 as i64),
    ("NL1", libc::NL1 as i64),
    ("NLDLY", libc::NLDLY as i64),
    ("NOFLSH", libc::NOFLSH as i64),
    ("N_MOUSE", 0x2),
    ("N_PPP", 0x3),
    ("N_SLIP", 0x1),
    ("N_STRIP", 0x4),
    ("N_TTY", 0x0),
    ("OCRNL", libc::OCRNL as i64),
    ("OFDEL", libc::OFDEL as i64),
    ("OFILL", libc::OFILL as i64),
    ("OLCUC", libc::OLCUC as i64),
    ("ONLCR", libc::ONLCR as i64),
    ("ONLRET", libc::ONLRET as i64),
    ("ONOCR", libc::ONOCR as i64),
    ("OPOST", libc::OPOST as i64),
    ("PARENB", libc::PARENB as i64),
    ("PARMRK", libc::PARMRK as i64),
    ("PARODD", libc::PARODD as i64),
    ("PENDIN", libc::PENDIN as i64),
    ("TAB0", libc::TAB0 as i64),
    ("TAB1", libc::TAB1 as i64),
    ("TAB2", libc::TAB2 as i64),
    ("TAB3", libc::TAB3 as i64),
    ("TABDLY", libc::TABDLY as i64),
    ("TCFLSH", libc::TCFLSH as i64),
    ("TCGETS", libc::TCGETS as i64),
    ("TCIFLUSH", libc::TCIFLUSH as i64),
    ("TCIOFF", libc::TCIOFF as i64),
    ("TCIOFLUSH", libc::TCIOFLUSH as i64),
    ("TCION", libc::TCION as i64),
    ("TCOFLUSH", libc::TCOFLUSH as i64),
    ("TCOOFF", libc::TCOOFF as i64),
    ("TCOON", libc::TCOON as i64),
    ("TCSADRAIN", libc::TCSADRAIN as i64),
    ("TCSAFLUSH", libc::TCSAFLUSH as i64),
    ("TCSANOW", libc::TCSANOW as i64),
    ("TCSBRK", libc::TCSBRK as i64),
    ("TCSBRKP", libc::TCSBRKP as i64),
    ("TCSETS", libc::TCSETS as i64),
    ("TCSETSF", libc::TCSETSF as i64),
    ("TCSETSW", libc::TCSETSW as i64),
    ("TCXONC", libc::TCXONC as i64),
    ("TIOCCONS", libc::TIOCCONS as i64),
    ("TIOCEXCL", libc::TIOCEXCL as i64),
    ("TIOCGETD", libc::TIOCGETD as i64),
    ("TIOCGICOUNT", libc::TIOCGICOUNT as i64),
    ("TIOCGLCKTRMIOS", libc::TIOCGLCKTRMIOS as i64),
    ("TIOCGPGRP", libc::TIOCGPGRP as i64),
    ("TIOCGSERIAL", libc::TIOCGSERIAL as i64),
    ("TIOCGSOFTCAR", libc::TIOCGSOFTCAR as i64),
    ("TIOCGWINSZ", libc::TIOCGWINSZ as i64),
    ("TIOCINQ", libc::TIOCINQ as i64),
    ("TIOCLINUX", libc::TIOCLINUX as i64),
    ("TIOCMBIC", libc::TIOCMBIC as i64),
    ("TIOCMBIS", libc::TIOCMBIS as i64),
    ("TIOCMGET", libc::TIOCMGET as i64),
    ("TIOCMIWAIT", libc::TIOCMIWAIT as i64),
    ("TIOCMSET", libc::TIOCMSET as i64),
    ("TIOCM_CAR", libc::TIOCM_CAR as i64),
    ("TIOCM_CD", libc::TIOCM_CD as i64),
    ("TIOCM_CTS", libc::TIOCM_CTS as i64),
    ("TIOCM_DSR", libc::TIOCM_DSR as i64),
    ("TIOCM_DTR", libc::TIOCM_DTR as i64),
    ("TIOCM_LE", libc::TIOCM_LE as i64),
    ("TIOCM_RI", libc::TIOCM_RI as i64),
    ("TIOCM_RNG", libc::TIOCM_RNG as i64),
    ("TIOCM_RTS", libc::TIOCM_RTS as i64),
    ("TIOCM_SR", libc::TIOCM_SR as i64),
    ("TIOCM_ST", libc::TIOCM_ST as i64),
    ("TIOCNOTTY", libc::TIOCNOTTY as i64),
    ("TIOCNXCL", libc::TIOCNXCL as i64),
    ("TIOCOUTQ", libc::TIOCOUTQ as i64),
    ("TIOCPKT", libc::TIOCPKT as i64),
    ("TIOCPKT_DATA", 0x0),
    ("TIOCPKT_DOSTOP", 0x20),
    ("TIOCPKT_FLUSHREAD", 0x1),
    ("TIOCPKT_FLUSHWRITE", 0x2),
    ("TIOCPKT_NOSTOP", 0x10),
    ("TIOCPKT_START", 0x8),
    ("TIOCPKT_STOP", 0x4),
    ("TIOCSCTTY", libc::TIOCSCTTY as i64),
    ("TIOCSERCONFIG", libc::TIOCSERCONFIG as i64),
    ("TIOCSERGETLSR", libc::TIOCSERGETLSR as i64),
    ("TIOCSERGETMULTI", libc::TIOCSERGETMULTI as i64),
    ("TIOCSERGSTRUCT", libc::TIOCSERGSTRUCT as i64),
    ("TIOCSERGWILD", libc::TIOCSERGWILD as i64),
    ("TIOCSERSETMULTI", libc::TIOCSERSETMULTI as i64),
    ("TIOCSERSWILD", libc::TIOCSERSWILD as i64),
    ("TIOCSER_TEMT", 0x1),
    ("TIOCSETD", libc::TIOCSETD as i64),
    ("TIOCSLCKTRMIOS", libc::TIOCSLCKTRMIOS as i64),
    ("TIOCSPGRP", libc::TIOCSPGRP as i64),
    ("TIOCSSERIAL", libc::TIOCSSERIAL as i64),
    ("TIOCSSOFTCAR", libc::TIOCSSOFTCAR as i64),
    ("TIOCSTI", libc::TIOCSTI as i64),
    ("TIOCSWINSZ", libc::TIOCSWINSZ as i64),
    ("TOSTOP", libc::TOSTOP as i64),
    ("VDISCARD", libc::VDISCARD as i64),
    ("VEOF", libc::VEOF as i64),
    ("VEOL", libc::VEOL as i64),
    ("VEOL2", libc::VEOL2 as i64),
    ("VERASE", libc::VERASE as i64),
    ("VINTR", libc::VINTR as i64),
    ("VKILL", libc::VKILL as i64),
    ("VLNEXT", libc::VLNEXT as i64),
    ("VMIN", libc::VMIN as i64),
    ("VQUIT", libc::VQUIT as i64),
    ("VREPRINT", libc::VREPRINT as i64),
    ("VSTART", libc::VSTART as i64),
    ("VSTOP", libc::VSTOP as i64),
    ("VSUSP", libc::VSUSP as i64),
    ("VSWTC", libc::VSWTC as i64),
    ("VSWTCH", 0x7),
    ("VT0", libc::VT0 as i64),
    ("VT1", libc::VT1 as i64),
    ("VTDLY", libc::VTDLY as i64),
    ("VTIME", libc::VTIME as i64),
    ("VWERASE", libc::VWERASE as i64),
    ("XCASE", libc::XCASE as i64),
    ("XTABS", libc::XTABS as i64),
];
