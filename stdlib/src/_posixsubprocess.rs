//! `_posixsubprocess`: `fork` and `exec` in one, with nothing but system calls in between (unless there is a `preexec_fn`).

use crate::posix::fork_with;
use crate::support::{self, c_int, fs_encode};
use std::ffi::CString;
use weft_objects::audit;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;

/// What the child needs, made before the fork: it allocates nothing.
struct Plan {
    argv: Vec<*const libc::c_char>,
    envp: Option<Vec<*const libc::c_char>>,
    programs: Vec<CString>,
    /// Keeps what the pointers above point to.
    _texts: Vec<CString>,
    cwd: Option<CString>,
    keep: Vec<i32>,
    close_fds: bool,
    /// p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, errpipe_read, errpipe_write
    fds: [i32; 8],
    restore_signals: bool,
    set_sid: bool,
    group: i32,
    gid: Option<libc::gid_t>,
    groups: Option<Vec<libc::gid_t>>,
    uid: Option<libc::uid_t>,
    umask: i32,
}

/// Bytes for the system out of a str, bytes or PathLike.
fn c_text(t: &mut Thread, v: Value) -> Res<CString> {
    let p = support::fspath(t, v)?;
    let bytes = match Str::of(p.value()) {
        Some(s) => fs_encode(s.as_bytes()),
        None => Bytes::of(p.value()).map(|b| b.as_slice().to_vec()),
    };
    match bytes.and_then(|b| CString::new(b).ok()) {
        Some(c) => Ok(c),
        None => Err(t.value_error("embedded null byte")),
    }
}

fn texts(t: &mut Thread, v: Value) -> Res<Vec<CString>> {
    let mut all = Vec::new();
    for o in proto::to_vec(t, v)? {
        all.push(c_text(t, o.value())?);
    }
    Ok(all)
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts
        .iter()
        .map(|c| c.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

fn id(t: &mut Thread, v: Value) -> Res<Option<u32>> {
    if v.is_none() {
        return Ok(None);
    }
    match proto::index_i64(t, v) {
        Ok(n) if (0..=i64::from(u32::MAX)).contains(&n) => Ok(Some(n as u32)),
        Ok(-1) => Ok(Some(u32::MAX)),
        Ok(_) => Err(t.value_error("invalid user or group id")),
        Err(e) => Err(e),
    }
}

fn plan(t: &mut Thread, a: &[Value]) -> Res<Plan> {
    let args = texts(t, a[0])?;
    let programs = texts(t, a[1])?;
    let close_fds = proto::truth(t, a[2])?;
    let mut keep = Vec::new();
    let mut last = -1;
    for o in proto::to_vec(t, a[3])? {
        let fd = c_int(t, o.value())?;
        if fd < 0 || fd <= last {
            return Err(t.value_error("bad value(s) in fds_to_keep"));
        }
        last = fd;
        keep.push(fd);
    }
    let cwd = if a[4].is_none() {
        None
    } else {
        Some(c_text(t, a[4])?)
    };
    let environment = if a[5].is_none() {
        None
    } else {
        Some(texts(t, a[5])?)
    };
    let mut fds = [-1; 8];
    for (fd, v) in fds.iter_mut().zip(&a[6..14]) {
        *fd = c_int(t, *v)?;
    }
    if close_fds && fds[7] < 3 {
        return Err(t.value_error("errpipe_write must be >= 3"));
    }
    let groups = if a[18].is_none() {
        None
    } else {
        let mut all = Vec::new();
        for o in proto::to_vec(t, a[18])? {
            all.extend(id(t, o.value())?);
        }
        Some(all)
    };
    let argv = pointers(&args);
    let envp = environment.as_ref().map(|e| pointers(e));
    let mut texts = args;
    texts.extend(environment.into_iter().flatten());
    Ok(Plan {
        argv,
        envp,
        programs,
        _texts: texts,
        cwd,
        keep,
        close_fds,
        fds,
        restore_signals: proto::truth(t, a[14])?,
        set_sid: proto::truth(t, a[15])?,
        group: c_int(t, a[16])?,
        gid: id(t, a[17])?,
        groups,
        uid: id(t, a[19])?,
        umask: c_int(t, a[20])?,
    })
}

impl Plan {
    /// In the child, before `preexec_fn`. `Err` says what to report besides the error number.
    ///
    /// # Safety
    /// In the child of a fork, whose descriptors and identity are nobody else's.
    unsafe fn prepare(&self) -> Result<(), &'static str> {
        let [
            p2cread,
            p2cwrite,
            c2pread,
            mut c2pwrite,
            errread,
            mut errwrite,
            errpipe_read,
            errpipe_write,
        ] = self.fds;
        let ok = |r: i32| if r == -1 { Err("noexec") } else { Ok(()) };
        // SAFETY: system calls on numbers and on texts that were made before the fork.
        unsafe {
            for fd in &self.keep {
                if *fd != errpipe_write {
                    set_inheritable(*fd)?;
                }
            }
            for fd in [p2cwrite, c2pread, errread, errpipe_read] {
                if fd >= 0 {
                    ok(libc::close(fd))?;
                }
            }
            // Out of the way of the descriptors that are to become 0, 1 and 2.
            if c2pwrite == 0 {
                c2pwrite = libc::dup(c2pwrite);
                ok(c2pwrite)?;
                ok(libc::fcntl(c2pwrite, libc::F_SETFD, libc::FD_CLOEXEC))?;
            }
            while errwrite == 0 || errwrite == 1 {
                errwrite = libc::dup(errwrite);
                ok(errwrite)?;
                ok(libc::fcntl(errwrite, libc::F_SETFD, libc::FD_CLOEXEC))?;
            }
            for (fd, standard) in [(p2cread, 0), (c2pwrite, 1), (errwrite, 2)] {
                if fd == standard {
                    set_inheritable(fd)?;
                } else if fd != -1 {
                    ok(libc::dup2(fd, standard))?;
                }
            }
            if let Some(cwd) = &self.cwd
                && libc::chdir(cwd.as_ptr()) == -1
            {
                return Err("noexec:chdir");
            }
            if self.umask >= 0 {
                libc::umask(self.umask as libc::mode_t);
            }
            if self.restore_signals {
                for signum in [libc::SIGPIPE, libc::SIGXFSZ] {
                    libc::signal(signum, libc::SIG_DFL);
                }
            }
            if self.set_sid {
                ok(libc::setsid())?;
            }
            if self.group >= 0 {
                ok(libc::setpgid(0, self.group))?;
            }
            if let Some(groups) = &self.groups {
                ok(libc::setgroups(groups.len() as _, groups.as_ptr()))?;
            }
            if let Some(gid) = self.gid {
                ok(libc::setregid(gid, gid))?;
            }
            if let Some(uid) = self.uid {
                ok(libc::setreuid(uid, uid))?;
            }
        }
        Ok(())
    }

    /// Closes what the program is not to inherit, and becomes it. Comes back with an error number.
    ///
    /// # Safety
    /// As for [`Plan::prepare`].
    unsafe fn exec(&self) -> i32 {
        // SAFETY: as in `prepare`.
        unsafe {
            if self.close_fds {
                let mut from = 3;
                for fd in self.keep.iter().copied().filter(|fd| *fd >= 3) {
                    close_range(from, fd - 1);
                    from = fd + 1;
                }
                close_range(from, i32::MAX);
            }
            // What is not there is no news while there are more places to look.
            let (mut error, mut last) = (0, 0);
            for program in &self.programs {
                let (program, argv) = (program.as_ptr(), self.argv.as_ptr());
                match &self.envp {
                    Some(envp) => libc::execve(program, argv, envp.as_ptr()),
                    None => libc::execv(program, argv),
                };
                last = support::errno();
                if last != libc::ENOENT && last != libc::ENOTDIR && error == 0 {
                    error = last;
                }
            }
            if error == 0 { last } else { error }
        }
    }

    /// Tells the parent what has gone wrong, and ends the child.
    ///
    /// # Safety
    /// As for [`Plan::prepare`].
    unsafe fn fail(&self, kind: &[u8], errno: i32, what: &[u8]) -> ! {
        let mut text = [0u8; 128];
        let mut n = 0;
        let mut put = |part: &[u8]| {
            for b in part {
                if n < text.len() {
                    text[n] = *b;
                    n += 1;
                }
            }
        };
        put(kind);
        put(b":");
        let digits = (0..8)
            .rev()
            .map(|i| (errno >> (4 * i) & 15) as usize)
            .skip_while(|d| *d == 0);
        digits.for_each(|d| put(&b"0123456789ABCDEF"[d..=d]));
        put(b":");
        put(what);
        // SAFETY: as in `prepare`.
        unsafe {
            libc::write(self.fds[7], text.as_ptr().cast(), n);
            libc::_exit(255)
        }
    }
}

unsafe fn set_inheritable(fd: i32) -> Result<(), &'static str> {
    // SAFETY: only numbers.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFD);
        if flags == -1 || libc::fcntl(fd, libc::F_SETFD, flags & !libc::FD_CLOEXEC) == -1 {
            return Err("noexec");
        }
    }
    Ok(())
}

unsafe fn close_range(from: i32, to: i32) {
    if to < from {
        return;
    }
    // SAFETY: only numbers.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, from as u32, to as u32, 0) == 0 {
            return;
        }
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 1 << 20) as i32;
        for fd in from..=to.min(most) {
            libc::close(fd);
        }
    }
}

fn fork_exec(t: &mut Thread, a: &[Value]) -> Res {
    let preexec = a[21];
    if !preexec.is_none() {
        crate::posix::refuse_at_end(t, "preexec_fn not supported")?;
        if !weft_objects::interpreter::current(t).is_main() {
            return Err(t.runtime_error("preexec_fn not supported within subinterpreters"));
        }
    }
    let plan = plan(t, a)?;
    audit::tell(t, "_posixsubprocess.fork_exec", &[a[1], a[0], a[5]])?;
    let run = || {
        // SAFETY: the child goes on to `exec` or ends.
        unsafe {
            match plan.prepare() {
                Ok(()) => {}
                Err(what) => plan.fail(b"OSError", support::errno(), what.as_bytes()),
            }
        }
    };
    let exec = || {
        // SAFETY: as above.
        unsafe {
            let e = plan.exec();
            plan.fail(b"OSError", e, b"")
        }
    };
    let pid = if preexec.is_none() {
        // The child shares nothing that another thread may hold a lock on: it makes system calls only.
        // SAFETY: as above.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            run();
            exec();
        }
        if pid < 0 {
            Err(support::errno())
        } else {
            Ok(pid)
        }
    } else {
        // SAFETY: the child cleans up after the threads that it has not, as it is to run Python.
        let pid = fork_with(t, || unsafe { libc::fork() });
        if pid == Ok(0) {
            run();
            if proto::call(t, preexec, &[]).is_err() {
                // SAFETY: as above.
                unsafe { plan.fail(b"SubprocessError", 0, b"Exception occurred in preexec_fn.") }
            }
            exec();
        }
        pid
    };
    match pid {
        Ok(pid) => Ok(Value::int(i64::from(pid))),
        Err(e) => Err(t.os_error(e, None)),
    }
}

static FUNCTIONS: &[NativeDef] = &[NativeDef::new(
    "fork_exec",
    "(args, executable_list, close_fds, pass_fds, cwd, env, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, \
     errpipe_read, errpipe_write, restore_signals, call_setsid, pgid_to_set, gid, extra_groups, uid, child_umask, \
     preexec_fn, /)",
    fork_exec,
)
.doc("Spawn a fresh new child process.")];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    Ok(support::module(
        t,
        "_posixsubprocess",
        "A POSIX helper for the subprocess module.",
        FUNCTIONS,
    ))
}
