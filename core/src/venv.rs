//! Virtual environments: a `pyvenv.cfg` beside the program or one folder up says that it is one's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Venv {
    /// The environment's folder: `sys.prefix`.
    pub prefix: Vec<u8>,
    /// Where the program is that it was made with: `sys._home`.
    pub home: Vec<u8>,
}

impl Venv {
    /// The environment that the program, an absolute path whose links are not followed, belongs to.
    pub fn of(executable: &[u8]) -> Option<Venv> {
        let bin = Path::new(OsStr::from_bytes(executable)).parent()?;
        let (prefix, text) = [Some(bin), bin.parent()]
            .into_iter()
            .flatten()
            .find_map(|dir| Some((dir, std::fs::read(dir.join("pyvenv.cfg")).ok()?)))?;
        let home = text
            .split(|b| *b == b'\n')
            .filter_map(|line| {
                let at = line.iter().position(|b| *b == b'=')?;
                Some((line[..at].trim_ascii(), line[at + 1..].trim_ascii()))
            })
            .find(|(key, _)| key.eq_ignore_ascii_case(b"home"))?;
        Some(Venv {
            prefix: prefix.as_os_str().as_bytes().to_vec(),
            home: home.1.to_vec(),
        })
    }

    /// The program that it was made with, for a program of the environment: the one of that name if there is one, else what the
    /// environment's is a link to.
    pub fn base_executable(&self, executable: &[u8]) -> Vec<u8> {
        let exe = Path::new(OsStr::from_bytes(executable));
        let home = Path::new(OsStr::from_bytes(&self.home));
        let same_name = exe.file_name().map(|name| home.join(name));
        let found: Option<PathBuf> = same_name.filter(|p| p.is_file());
        let found = found.or_else(|| exe.canonicalize().ok());
        found.map_or_else(
            || executable.to_vec(),
            |p| p.into_os_string().as_bytes().to_vec(),
        )
    }
}
