//! `_stat`: the bits of file modes.

use crate::support;
use weft_objects::int;
use weft_objects::prelude::*;

const FMT: u32 = 0o170_000;
const DIR: u32 = 0o040_000;
const CHR: u32 = 0o020_000;
const BLK: u32 = 0o060_000;
const REG: u32 = 0o100_000;
const FIFO: u32 = 0o010_000;
const LNK: u32 = 0o120_000;
const SOCK: u32 = 0o140_000;

/// The constants, the same on all systems but for those that some do not have.
const CONSTANTS: &[(&str, i64)] = &[
    ("S_IFDIR", DIR as i64),
    ("S_IFCHR", CHR as i64),
    ("S_IFBLK", BLK as i64),
    ("S_IFREG", REG as i64),
    ("S_IFIFO", FIFO as i64),
    ("S_IFLNK", LNK as i64),
    ("S_IFSOCK", SOCK as i64),
    ("S_IFDOOR", 0),
    ("S_IFPORT", 0),
    ("S_IFWHT", 0),
    ("S_ISUID", 0o4000),
    ("S_ISGID", 0o2000),
    ("S_ISVTX", 0o1000),
    ("S_ENFMT", 0o2000),
    ("S_IREAD", 0o400),
    ("S_IWRITE", 0o200),
    ("S_IEXEC", 0o100),
    ("S_IRWXU", 0o700),
    ("S_IRUSR", 0o400),
    ("S_IWUSR", 0o200),
    ("S_IXUSR", 0o100),
    ("S_IRWXG", 0o070),
    ("S_IRGRP", 0o040),
    ("S_IWGRP", 0o020),
    ("S_IXGRP", 0o010),
    ("S_IRWXO", 0o007),
    ("S_IROTH", 0o004),
    ("S_IWOTH", 0o002),
    ("S_IXOTH", 0o001),
    ("UF_SETTABLE", 0x0000_ffff),
    ("UF_NODUMP", 0x0000_0001),
    ("UF_IMMUTABLE", 0x0000_0002),
    ("UF_APPEND", 0x0000_0004),
    ("UF_OPAQUE", 0x0000_0008),
    ("UF_NOUNLINK", 0x0000_0010),
    ("UF_COMPRESSED", 0x0000_0020),
    ("UF_TRACKED", 0x0000_0040),
    ("UF_DATAVAULT", 0x0000_0080),
    ("UF_HIDDEN", 0x0000_8000),
    ("SF_SETTABLE", 0xffff_0000),
    ("SF_ARCHIVED", 0x0001_0000),
    ("SF_IMMUTABLE", 0x0002_0000),
    ("SF_APPEND", 0x0004_0000),
    ("SF_NOUNLINK", 0x0010_0000),
    ("SF_SNAPSHOT", 0x0020_0000),
    ("SF_FIRMLINK", 0x0080_0000),
    ("SF_DATALESS", 0x4000_0000),
    ("ST_MODE", 0),
    ("ST_INO", 1),
    ("ST_DEV", 2),
    ("ST_NLINK", 3),
    ("ST_UID", 4),
    ("ST_GID", 5),
    ("ST_SIZE", 6),
    ("ST_ATIME", 7),
    ("ST_MTIME", 8),
    ("ST_CTIME", 9),
];

/// A mode, which is an int.
fn mode(t: &mut Thread, v: Value) -> Res<u32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(n) if n < 0 => Err(t.overflow_error("can't convert negative value to unsigned int")),
        Some(n) => match u32::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) => Err(t.overflow_error("mode out of range")),
        },
        None => {
            let negative = int::with_bigint(i.value(), |n| n.sign() == num_bigint::Sign::Minus);
            Err(t.overflow_error(match negative {
                Some(true) => "can't convert negative value to unsigned int",
                _ => "Python int too large to convert to C unsigned long",
            }))
        }
    }
}

fn is<const KIND: u32>(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::bool(mode(t, a[0])? & FMT == KIND))
}

/// Of kinds that this system does not have.
fn never(t: &mut Thread, a: &[Value]) -> Res {
    mode(t, a[0])?;
    Ok(Value::FALSE)
}

fn file_mode(t: &mut Thread, a: &[Value]) -> Res {
    let m = mode(t, a[0])?;
    let kind = match m & FMT {
        REG => '-',
        DIR => 'd',
        LNK => 'l',
        BLK => 'b',
        CHR => 'c',
        FIFO => 'p',
        SOCK => 's',
        _ => '?',
    };
    let mut s = String::from(kind);
    // For user, group and others: the special bit, and how it shows without and with the right to execute.
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        s.push(if m >> shift & 4 != 0 { 'r' } else { '-' });
        s.push(if m >> shift & 2 != 0 { 'w' } else { '-' });
        s.push(match (m & special != 0, m >> shift & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    Ok(Str::from_string(t, s).into())
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("S_ISDIR", "(mode, /)", is::<DIR>)
        .doc("S_ISDIR(mode) -> bool\n\nReturn True if mode is from a directory."),
    NativeDef::new("S_ISCHR", "(mode, /)", is::<CHR>).doc(
        "S_ISCHR(mode) -> bool\n\nReturn True if mode is from a character special device file.",
    ),
    NativeDef::new("S_ISBLK", "(mode, /)", is::<BLK>)
        .doc("S_ISBLK(mode) -> bool\n\nReturn True if mode is from a block special device file."),
    NativeDef::new("S_ISREG", "(mode, /)", is::<REG>)
        .doc("S_ISREG(mode) -> bool\n\nReturn True if mode is from a regular file."),
    NativeDef::new("S_ISFIFO", "(mode, /)", is::<FIFO>)
        .doc("S_ISFIFO(mode) -> bool\n\nReturn True if mode is from a FIFO (named pipe)."),
    NativeDef::new("S_ISLNK", "(mode, /)", is::<LNK>)
        .doc("S_ISLNK(mode) -> bool\n\nReturn True if mode is from a symbolic link."),
    NativeDef::new("S_ISSOCK", "(mode, /)", is::<SOCK>)
        .doc("S_ISSOCK(mode) -> bool\n\nReturn True if mode is from a socket."),
    NativeDef::new("S_ISDOOR", "(mode, /)", never)
        .doc("S_ISDOOR(mode) -> bool\n\nReturn True if mode is from a door."),
    NativeDef::new("S_ISPORT", "(mode, /)", never)
        .doc("S_ISPORT(mode) -> bool\n\nReturn True if mode is from an event port."),
    NativeDef::new("S_ISWHT", "(mode, /)", never)
        .doc("S_ISWHT(mode) -> bool\n\nReturn True if mode is from a whiteout."),
    NativeDef::new("S_IMODE", "(mode, /)", |t, a| {
        Ok(Value::int((mode(t, a[0])? & 0o7777).into()))
    })
    .doc("Return the portion of the file's mode that can be set by os.chmod()."),
    NativeDef::new("S_IFMT", "(mode, /)", |t, a| {
        Ok(Value::int((mode(t, a[0])? & FMT).into()))
    })
    .doc("Return the portion of the file's mode that describes the file type."),
    NativeDef::new("filemode", "(mode, /)", file_mode)
        .doc("Convert a file's mode to a string of the form '-rwxrwxrwx'"),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_stat", "", FUNCTIONS);
    support::add_ints(t, &m, CONSTANTS);
    Ok(m)
}
