//! Constants of `posix`, and the names for `sysconf`, `pathconf` and `confstr`.

use crate::support;
use weft_objects::prelude::*;

/// On all systems.
static COMMON: &[(&str, i64)] = &[
    ("CLD_CONTINUED", libc::CLD_CONTINUED as i64),
    ("CLD_DUMPED", libc::CLD_DUMPED as i64),
    ("CLD_EXITED", libc::CLD_EXITED as i64),
    ("CLD_KILLED", libc::CLD_KILLED as i64),
    ("CLD_STOPPED", libc::CLD_STOPPED as i64),
    ("CLD_TRAPPED", libc::CLD_TRAPPED as i64),
    ("F_OK", libc::F_OK as i64),
    ("O_ACCMODE", libc::O_ACCMODE as i64),
    ("O_APPEND", libc::O_APPEND as i64),
    ("O_ASYNC", libc::O_ASYNC as i64),
    ("O_CLOEXEC", libc::O_CLOEXEC as i64),
    ("O_CREAT", libc::O_CREAT as i64),
    ("O_DIRECTORY", libc::O_DIRECTORY as i64),
    ("O_DSYNC", libc::O_DSYNC as i64),
    ("O_EXCL", libc::O_EXCL as i64),
    ("O_FSYNC", libc::O_FSYNC as i64),
    ("O_NDELAY", libc::O_NDELAY as i64),
    ("O_NOCTTY", libc::O_NOCTTY as i64),
    ("O_NOFOLLOW", libc::O_NOFOLLOW as i64),
    ("O_NONBLOCK", libc::O_NONBLOCK as i64),
    ("O_RDONLY", libc::O_RDONLY as i64),
    ("O_RDWR", libc::O_RDWR as i64),
    ("O_SYNC", libc::O_SYNC as i64),
    ("O_TRUNC", libc::O_TRUNC as i64),
    ("O_WRONLY", libc::O_WRONLY as i64),
    ("PRIO_PGRP", libc::PRIO_PGRP as i64),
    ("PRIO_PROCESS", libc::PRIO_PROCESS as i64),
    ("PRIO_USER", libc::PRIO_USER as i64),
    ("P_ALL", libc::P_ALL as i64),
    ("P_PGID", libc::P_PGID as i64),
    ("P_PID", libc::P_PID as i64),
    ("RTLD_GLOBAL", libc::RTLD_GLOBAL as i64),
    ("RTLD_LAZY", libc::RTLD_LAZY as i64),
    ("RTLD_LOCAL", libc::RTLD_LOCAL as i64),
    ("RTLD_NODELETE", libc::RTLD_NODELETE as i64),
    ("RTLD_NOLOAD", libc::RTLD_NOLOAD as i64),
    ("RTLD_NOW", libc::RTLD_NOW as i64),
    ("R_OK", libc::R_OK as i64),
    ("SCHED_FIFO", libc::SCHED_FIFO as i64),
    ("SCHED_OTHER", libc::SCHED_OTHER as i64),
    ("SCHED_RR", libc::SCHED_RR as i64),
    ("SEEK_DATA", libc::SEEK_DATA as i64),
    ("SEEK_HOLE", libc::SEEK_HOLE as i64),
    ("ST_NOSUID", libc::ST_NOSUID as i64),
    ("ST_RDONLY", libc::ST_RDONLY as i64),
    ("TMP_MAX", libc::TMP_MAX as i64),
    ("WCONTINUED", libc::WCONTINUED as i64),
    ("WEXITED", libc::WEXITED as i64),
    ("WNOHANG", libc::WNOHANG as i64),
    ("WNOWAIT", libc::WNOWAIT as i64),
    ("WSTOPPED", libc::WSTOPPED as i64),
    ("WUNTRACED", libc::WUNTRACED as i64),
    ("W_OK", libc::W_OK as i64),
    ("XATTR_CREATE", libc::XATTR_CREATE as i64),
    ("XATTR_REPLACE", libc::XATTR_REPLACE as i64),
    ("X_OK", libc::X_OK as i64),
    ("EX_CANTCREAT", 73),
    ("EX_CONFIG", 78),
    ("EX_DATAERR", 65),
    ("EX_IOERR", 74),
    ("EX_NOHOST", 68),
    ("EX_NOINPUT", 66),
    ("EX_NOPERM", 77),
    ("EX_NOUSER", 67),
    ("EX_OK", 0),
    ("EX_OSERR", 71),
    ("EX_OSFILE", 72),
    ("EX_PROTOCOL", 76),
    ("EX_SOFTWARE", 70),
    ("EX_TEMPFAIL", 75),
    ("EX_UNAVAILABLE", 69),
    ("EX_USAGE", 64),
    ("F_LOCK", 1),
    ("F_TEST", 3),
    ("F_TLOCK", 2),
    ("F_ULOCK", 0),
    ("POSIX_SPAWN_CLOSE", 1),
    ("POSIX_SPAWN_DUP2", 2),
    ("POSIX_SPAWN_OPEN", 0),
];

/// On Linux.
#[cfg(target_os = "linux")]
static SYSTEM: &[(&str, i64)] = &[
    ("EFD_CLOEXEC", libc::EFD_CLOEXEC as i64),
    ("EFD_NONBLOCK", libc::EFD_NONBLOCK as i64),
    ("EFD_SEMAPHORE", libc::EFD_SEMAPHORE as i64),
    ("GRND_NONBLOCK", libc::GRND_NONBLOCK as i64),
    ("GRND_RANDOM", libc::GRND_RANDOM as i64),
    ("MFD_ALLOW_SEALING", libc::MFD_ALLOW_SEALING as i64),
    ("MFD_CLOEXEC", libc::MFD_CLOEXEC as i64),
    ("MFD_HUGETLB", libc::MFD_HUGETLB as i64),
    ("MFD_HUGE_16GB", libc::MFD_HUGE_16GB as i64),
    ("MFD_HUGE_16MB", libc::MFD_HUGE_16MB as i64),
    ("MFD_HUGE_1GB", libc::MFD_HUGE_1GB as i64),
    ("MFD_HUGE_1MB", libc::MFD_HUGE_1MB as i64),
    ("MFD_HUGE_256MB", libc::MFD_HUGE_256MB as i64),
    ("MFD_HUGE_2GB", libc::MFD_HUGE_2GB as i64),
    ("MFD_HUGE_2MB", libc::MFD_HUGE_2MB as i64),
    ("MFD_HUGE_32MB", libc::MFD_HUGE_32MB as i64),
    ("MFD_HUGE_512KB", libc::MFD_HUGE_512KB as i64),
    ("MFD_HUGE_512MB", libc::MFD_HUGE_512MB as i64),
    ("MFD_HUGE_64KB", libc::MFD_HUGE_64KB as i64),
    ("MFD_HUGE_8MB", libc::MFD_HUGE_8MB as i64),
    ("MFD_HUGE_MASK", libc::MFD_HUGE_MASK as i64),
    ("MFD_HUGE_SHIFT", libc::MFD_HUGE_SHIFT as i64),
    ("O_DIRECT", libc::O_DIRECT as i64),
    ("O_LARGEFILE", libc::O_LARGEFILE as i64),
    ("O_NOATIME", libc::O_NOATIME as i64),
    ("O_PATH", libc::O_PATH as i64),
    ("O_RSYNC", libc::O_RSYNC as i64),
    ("O_TMPFILE", libc::O_TMPFILE as i64),
    ("POSIX_FADV_DONTNEED", libc::POSIX_FADV_DONTNEED as i64),
    ("POSIX_FADV_NOREUSE", libc::POSIX_FADV_NOREUSE as i64),
    ("POSIX_FADV_NORMAL", libc::POSIX_FADV_NORMAL as i64),
    ("POSIX_FADV_RANDOM", libc::POSIX_FADV_RANDOM as i64),
    ("POSIX_FADV_SEQUENTIAL", libc::POSIX_FADV_SEQUENTIAL as i64),
    ("POSIX_FADV_WILLNEED", libc::POSIX_FADV_WILLNEED as i64),
    ("P_PIDFD", libc::P_PIDFD as i64),
    ("RTLD_DEEPBIND", libc::RTLD_DEEPBIND as i64),
    ("RWF_APPEND", libc::RWF_APPEND as i64),
    ("RWF_DSYNC", libc::RWF_DSYNC as i64),
    ("RWF_HIPRI", libc::RWF_HIPRI as i64),
    ("RWF_NOWAIT", libc::RWF_NOWAIT as i64),
    ("RWF_SYNC", libc::RWF_SYNC as i64),
    ("CLONE_NEWTIME", 0x80),
    ("PIDFD_NONBLOCK", libc::O_NONBLOCK as i64),
    ("POSIX_SPAWN_CLOSEFROM", 3),
    ("SCHED_DEADLINE", libc::SCHED_DEADLINE as i64),
    ("SCHED_NORMAL", libc::SCHED_OTHER as i64),
    ("SCHED_BATCH", libc::SCHED_BATCH as i64),
    ("SCHED_IDLE", libc::SCHED_IDLE as i64),
    ("SCHED_RESET_ON_FORK", libc::SCHED_RESET_ON_FORK as i64),
    ("SPLICE_F_MORE", libc::SPLICE_F_MORE as i64),
    ("SPLICE_F_MOVE", libc::SPLICE_F_MOVE as i64),
    ("SPLICE_F_NONBLOCK", libc::SPLICE_F_NONBLOCK as i64),
    ("ST_APPEND", libc::ST_APPEND as i64),
    ("ST_MANDLOCK", libc::ST_MANDLOCK as i64),
    ("ST_NOATIME", libc::ST_NOATIME as i64),
    ("ST_NODEV", libc::ST_NODEV as i64),
    ("ST_NODIRATIME", libc::ST_NODIRATIME as i64),
    ("ST_NOEXEC", libc::ST_NOEXEC as i64),
    ("ST_RELATIME", libc::ST_RELATIME as i64),
    ("ST_SYNCHRONOUS", libc::ST_SYNCHRONOUS as i64),
    ("ST_WRITE", libc::ST_WRITE as i64),
    ("CLONE_FILES", libc::CLONE_FILES as i64),
    ("CLONE_FS", libc::CLONE_FS as i64),
    ("CLONE_NEWCGROUP", libc::CLONE_NEWCGROUP as i64),
    ("CLONE_NEWIPC", libc::CLONE_NEWIPC as i64),
    ("CLONE_NEWNET", libc::CLONE_NEWNET as i64),
    ("CLONE_NEWNS", libc::CLONE_NEWNS as i64),
    ("CLONE_NEWPID", libc::CLONE_NEWPID as i64),
    ("CLONE_NEWUSER", libc::CLONE_NEWUSER as i64),
    ("CLONE_NEWUTS", libc::CLONE_NEWUTS as i64),
    ("CLONE_SIGHAND", libc::CLONE_SIGHAND as i64),
    ("CLONE_SYSVSEM", libc::CLONE_SYSVSEM as i64),
    ("CLONE_THREAD", libc::CLONE_THREAD as i64),
    ("CLONE_VM", libc::CLONE_VM as i64),
    ("TFD_CLOEXEC", libc::TFD_CLOEXEC as i64),
    ("TFD_NONBLOCK", libc::TFD_NONBLOCK as i64),
    ("TFD_TIMER_ABSTIME", libc::TFD_TIMER_ABSTIME as i64),
    (
        "TFD_TIMER_CANCEL_ON_SET",
        libc::TFD_TIMER_CANCEL_ON_SET as i64,
    ),
    ("NGROUPS_MAX", 0x10000),
    ("XATTR_SIZE_MAX", 0x10000),
];

/// On macOS.
#[cfg(target_os = "macos")]
static SYSTEM: &[(&str, i64)] = &[
    ("O_SHLOCK", libc::O_SHLOCK as i64),
    ("O_EXLOCK", libc::O_EXLOCK as i64),
    ("O_EVTONLY", libc::O_EVTONLY as i64),
    ("O_SYMLINK", libc::O_SYMLINK as i64),
    ("O_NOFOLLOW_ANY", libc::O_NOFOLLOW_ANY as i64),
];

/// Names for `sysconf`.
static SYSCONF: &[(&str, i64)] = &[
    ("SC_2_CHAR_TERM", libc::_SC_2_CHAR_TERM as i64),
    ("SC_2_C_BIND", libc::_SC_2_C_BIND as i64),
    ("SC_2_C_DEV", libc::_SC_2_C_DEV as i64),
    ("SC_2_FORT_DEV", libc::_SC_2_FORT_DEV as i64),
    ("SC_2_FORT_RUN", libc::_SC_2_FORT_RUN as i64),
    ("SC_2_LOCALEDEF", libc::_SC_2_LOCALEDEF as i64),
    ("SC_2_SW_DEV", libc::_SC_2_SW_DEV as i64),
    ("SC_2_UPE", libc::_SC_2_UPE as i64),
    ("SC_2_VERSION", libc::_SC_2_VERSION as i64),
    ("SC_AIO_LISTIO_MAX", libc::_SC_AIO_LISTIO_MAX as i64),
    ("SC_AIO_MAX", libc::_SC_AIO_MAX as i64),
    ("SC_AIO_PRIO_DELTA_MAX", libc::_SC_AIO_PRIO_DELTA_MAX as i64),
    ("SC_ARG_MAX", libc::_SC_ARG_MAX as i64),
    ("SC_ASYNCHRONOUS_IO", libc::_SC_ASYNCHRONOUS_IO as i64),
    ("SC_ATEXIT_MAX", libc::_SC_ATEXIT_MAX as i64),
    ("SC_BC_BASE_MAX", libc::_SC_BC_BASE_MAX as i64),
    ("SC_BC_DIM_MAX", libc::_SC_BC_DIM_MAX as i64),
    ("SC_BC_SCALE_MAX", libc::_SC_BC_SCALE_MAX as i64),
    ("SC_BC_STRING_MAX", libc::_SC_BC_STRING_MAX as i64),
    ("SC_CHILD_MAX", libc::_SC_CHILD_MAX as i64),
    ("SC_CLK_TCK", libc::_SC_CLK_TCK as i64),
    ("SC_COLL_WEIGHTS_MAX", libc::_SC_COLL_WEIGHTS_MAX as i64),
    ("SC_DELAYTIMER_MAX", libc::_SC_DELAYTIMER_MAX as i64),
    ("SC_EXPR_NEST_MAX", libc::_SC_EXPR_NEST_MAX as i64),
    ("SC_FSYNC", libc::_SC_FSYNC as i64),
    ("SC_GETGR_R_SIZE_MAX", libc::_SC_GETGR_R_SIZE_MAX as i64),
    ("SC_GETPW_R_SIZE_MAX", libc::_SC_GETPW_R_SIZE_MAX as i64),
    ("SC_IOV_MAX", libc::_SC_IOV_MAX as i64),
    ("SC_JOB_CONTROL", libc::_SC_JOB_CONTROL as i64),
    ("SC_LINE_MAX", libc::_SC_LINE_MAX as i64),
    ("SC_LOGIN_NAME_MAX", libc::_SC_LOGIN_NAME_MAX as i64),
    ("SC_MAPPED_FILES", libc::_SC_MAPPED_FILES as i64),
    ("SC_MEMLOCK", libc::_SC_MEMLOCK as i64),
    ("SC_MEMLOCK_RANGE", libc::_SC_MEMLOCK_RANGE as i64),
    ("SC_MEMORY_PROTECTION", libc::_SC_MEMORY_PROTECTION as i64),
    ("SC_MESSAGE_PASSING", libc::_SC_MESSAGE_PASSING as i64),
    ("SC_MQ_OPEN_MAX", libc::_SC_MQ_OPEN_MAX as i64),
    ("SC_MQ_PRIO_MAX", libc::_SC_MQ_PRIO_MAX as i64),
    ("SC_NGROUPS_MAX", libc::_SC_NGROUPS_MAX as i64),
    ("SC_NPROCESSORS_CONF", libc::_SC_NPROCESSORS_CONF as i64),
    ("SC_NPROCESSORS_ONLN", libc::_SC_NPROCESSORS_ONLN as i64),
    ("SC_OPEN_MAX", libc::_SC_OPEN_MAX as i64),
    ("SC_PAGESIZE", libc::_SC_PAGESIZE as i64),
    ("SC_PAGE_SIZE", libc::_SC_PAGE_SIZE as i64),
    ("SC_PASS_MAX", libc::_SC_PASS_MAX as i64),
    ("SC_PHYS_PAGES", libc::_SC_PHYS_PAGES as i64),
    ("SC_PRIORITIZED_IO", libc::_SC_PRIORITIZED_IO as i64),
    (
        "SC_PRIORITY_SCHEDULING",
        libc::_SC_PRIORITY_SCHEDULING as i64,
    ),
    ("SC_REALTIME_SIGNALS", libc::_SC_REALTIME_SIGNALS as i64),
    ("SC_RE_DUP_MAX", libc::_SC_RE_DUP_MAX as i64),
    ("SC_RTSIG_MAX", libc::_SC_RTSIG_MAX as i64),
    ("SC_SAVED_IDS", libc::_SC_SAVED_IDS as i64),
    ("SC_SEMAPHORES", libc::_SC_SEMAPHORES as i64),
    ("SC_SEM_NSEMS_MAX", libc::_SC_SEM_NSEMS_MAX as i64),
    ("SC_SEM_VALUE_MAX", libc::_SC_SEM_VALUE_MAX as i64),
    (
        "SC_SHARED_MEMORY_OBJECTS",
        libc::_SC_SHARED_MEMORY_OBJECTS as i64,
    ),
    ("SC_SIGQUEUE_MAX", libc::_SC_SIGQUEUE_MAX as i64),
    ("SC_STREAM_MAX", libc::_SC_STREAM_MAX as i64),
    ("SC_SYNCHRONIZED_IO", libc::_SC_SYNCHRONIZED_IO as i64),
    ("SC_THREADS", libc::_SC_THREADS as i64),
    (
        "SC_THREAD_ATTR_STACKADDR",
        libc::_SC_THREAD_ATTR_STACKADDR as i64,
    ),
    (
        "SC_THREAD_ATTR_STACKSIZE",
        libc::_SC_THREAD_ATTR_STACKSIZE as i64,
    ),
    (
        "SC_THREAD_DESTRUCTOR_ITERATIONS",
        libc::_SC_THREAD_DESTRUCTOR_ITERATIONS as i64,
    ),
    ("SC_THREAD_KEYS_MAX", libc::_SC_THREAD_KEYS_MAX as i64),
    (
        "SC_THREAD_PRIORITY_SCHEDULING",
        libc::_SC_THREAD_PRIORITY_SCHEDULING as i64,
    ),
    (
        "SC_THREAD_PRIO_INHERIT",
        libc::_SC_THREAD_PRIO_INHERIT as i64,
    ),
    (
        "SC_THREAD_PRIO_PROTECT",
        libc::_SC_THREAD_PRIO_PROTECT as i64,
    ),
    (
        "SC_THREAD_PROCESS_SHARED",
        libc::_SC_THREAD_PROCESS_SHARED as i64,
    ),
    (
        "SC_THREAD_SAFE_FUNCTIONS",
        libc::_SC_THREAD_SAFE_FUNCTIONS as i64,
    ),
    ("SC_THREAD_STACK_MIN", libc::_SC_THREAD_STACK_MIN as i64),
    ("SC_THREAD_THREADS_MAX", libc::_SC_THREAD_THREADS_MAX as i64),
    ("SC_TIMERS", libc::_SC_TIMERS as i64),
    ("SC_TIMER_MAX", libc::_SC_TIMER_MAX as i64),
    ("SC_TTY_NAME_MAX", libc::_SC_TTY_NAME_MAX as i64),
    ("SC_TZNAME_MAX", libc::_SC_TZNAME_MAX as i64),
    ("SC_VERSION", libc::_SC_VERSION as i64),
    ("SC_XBS5_ILP32_OFF32", libc::_SC_XBS5_ILP32_OFF32 as i64),
    ("SC_XBS5_ILP32_OFFBIG", libc::_SC_XBS5_ILP32_OFFBIG as i64),
    ("SC_XBS5_LP64_OFF64", libc::_SC_XBS5_LP64_OFF64 as i64),
    ("SC_XBS5_LPBIG_OFFBIG", libc::_SC_XBS5_LPBIG_OFFBIG as i64),
    ("SC_XOPEN_CRYPT", libc::_SC_XOPEN_CRYPT as i64),
    ("SC_XOPEN_ENH_I18N", libc::_SC_XOPEN_ENH_I18N as i64),
    ("SC_XOPEN_LEGACY", libc::_SC_XOPEN_LEGACY as i64),
    ("SC_XOPEN_REALTIME", libc::_SC_XOPEN_REALTIME as i64),
    (
        "SC_XOPEN_REALTIME_THREADS",
        libc::_SC_XOPEN_REALTIME_THREADS as i64,
    ),
    ("SC_XOPEN_SHM", libc::_SC_XOPEN_SHM as i64),
    ("SC_XOPEN_UNIX", libc::_SC_XOPEN_UNIX as i64),
    ("SC_XOPEN_VERSION", libc::_SC_XOPEN_VERSION as i64),
    ("SC_XOPEN_XCU_VERSION", libc::_SC_XOPEN_XCU_VERSION as i64),
];

/// Those of Linux.
#[cfg(target_os = "linux")]
static SYSCONF_SYSTEM: &[(&str, i64)] = &[
    ("SC_2_C_VERSION", libc::_SC_2_C_VERSION as i64),
    ("SC_AVPHYS_PAGES", libc::_SC_AVPHYS_PAGES as i64),
    ("SC_CHARCLASS_NAME_MAX", libc::_SC_CHARCLASS_NAME_MAX as i64),
    ("SC_CHAR_BIT", libc::_SC_CHAR_BIT as i64),
    ("SC_CHAR_MAX", libc::_SC_CHAR_MAX as i64),
    ("SC_CHAR_MIN", libc::_SC_CHAR_MIN as i64),
    ("SC_EQUIV_CLASS_MAX", libc::_SC_EQUIV_CLASS_MAX as i64),
    ("SC_INT_MAX", libc::_SC_INT_MAX as i64),
    ("SC_INT_MIN", libc::_SC_INT_MIN as i64),
    ("SC_LONG_BIT", libc::_SC_LONG_BIT as i64),
    ("SC_MB_LEN_MAX", libc::_SC_MB_LEN_MAX as i64),
    ("SC_NL_ARGMAX", libc::_SC_NL_ARGMAX as i64),
    ("SC_NL_LANGMAX", libc::_SC_NL_LANGMAX as i64),
    ("SC_NL_MSGMAX", libc::_SC_NL_MSGMAX as i64),
    ("SC_NL_NMAX", libc::_SC_NL_NMAX as i64),
    ("SC_NL_SETMAX", libc::_SC_NL_SETMAX as i64),
    ("SC_NL_TEXTMAX", libc::_SC_NL_TEXTMAX as i64),
    ("SC_NZERO", libc::_SC_NZERO as i64),
    ("SC_PII", libc::_SC_PII as i64),
    ("SC_PII_INTERNET", libc::_SC_PII_INTERNET as i64),
    ("SC_PII_INTERNET_DGRAM", libc::_SC_PII_INTERNET_DGRAM as i64),
    (
        "SC_PII_INTERNET_STREAM",
        libc::_SC_PII_INTERNET_STREAM as i64,
    ),
    ("SC_PII_OSI", libc::_SC_PII_OSI as i64),
    ("SC_PII_OSI_CLTS", libc::_SC_PII_OSI_CLTS as i64),
    ("SC_PII_OSI_COTS", libc::_SC_PII_OSI_COTS as i64),
    ("SC_PII_OSI_M", libc::_SC_PII_OSI_M as i64),
    ("SC_PII_SOCKET", libc::_SC_PII_SOCKET as i64),
    ("SC_PII_XTI", libc::_SC_PII_XTI as i64),
    ("SC_POLL", libc::_SC_POLL as i64),
    ("SC_SCHAR_MAX", libc::_SC_SCHAR_MAX as i64),
    ("SC_SCHAR_MIN", libc::_SC_SCHAR_MIN as i64),
    ("SC_SELECT", libc::_SC_SELECT as i64),
    ("SC_SHRT_MAX", libc::_SC_SHRT_MAX as i64),
    ("SC_SHRT_MIN", libc::_SC_SHRT_MIN as i64),
    ("SC_SSIZE_MAX", libc::_SC_SSIZE_MAX as i64),
    ("SC_T_IOV_MAX", libc::_SC_T_IOV_MAX as i64),
    ("SC_UCHAR_MAX", libc::_SC_UCHAR_MAX as i64),
    ("SC_UINT_MAX", libc::_SC_UINT_MAX as i64),
    ("SC_UIO_MAXIOV", libc::_SC_UIO_MAXIOV as i64),
    ("SC_ULONG_MAX", libc::_SC_ULONG_MAX as i64),
    ("SC_USHRT_MAX", libc::_SC_USHRT_MAX as i64),
    ("SC_WORD_BIT", libc::_SC_WORD_BIT as i64),
    ("SC_XOPEN_XPG2", libc::_SC_XOPEN_XPG2 as i64),
    ("SC_XOPEN_XPG3", libc::_SC_XOPEN_XPG3 as i64),
    ("SC_XOPEN_XPG4", libc::_SC_XOPEN_XPG4 as i64),
    ("SC_MINSIGSTKSZ", 249),
];

#[cfg(not(target_os = "linux"))]
static SYSCONF_SYSTEM: &[(&str, i64)] = &[];

/// Names for `pathconf`.
static PATHCONF: &[(&str, i64)] = &[
    ("PC_ALLOC_SIZE_MIN", libc::_PC_ALLOC_SIZE_MIN as i64),
    ("PC_ASYNC_IO", libc::_PC_ASYNC_IO as i64),
    ("PC_CHOWN_RESTRICTED", libc::_PC_CHOWN_RESTRICTED as i64),
    ("PC_FILESIZEBITS", libc::_PC_FILESIZEBITS as i64),
    ("PC_LINK_MAX", libc::_PC_LINK_MAX as i64),
    ("PC_MAX_CANON", libc::_PC_MAX_CANON as i64),
    ("PC_MAX_INPUT", libc::_PC_MAX_INPUT as i64),
    ("PC_NAME_MAX", libc::_PC_NAME_MAX as i64),
    ("PC_NO_TRUNC", libc::_PC_NO_TRUNC as i64),
    ("PC_PATH_MAX", libc::_PC_PATH_MAX as i64),
    ("PC_PIPE_BUF", libc::_PC_PIPE_BUF as i64),
    ("PC_PRIO_IO", libc::_PC_PRIO_IO as i64),
    ("PC_REC_INCR_XFER_SIZE", libc::_PC_REC_INCR_XFER_SIZE as i64),
    ("PC_REC_MAX_XFER_SIZE", libc::_PC_REC_MAX_XFER_SIZE as i64),
    ("PC_REC_MIN_XFER_SIZE", libc::_PC_REC_MIN_XFER_SIZE as i64),
    ("PC_REC_XFER_ALIGN", libc::_PC_REC_XFER_ALIGN as i64),
    ("PC_SYMLINK_MAX", libc::_PC_SYMLINK_MAX as i64),
    ("PC_SYNC_IO", libc::_PC_SYNC_IO as i64),
    ("PC_VDISABLE", libc::_PC_VDISABLE as i64),
];

/// Those of Linux.
#[cfg(target_os = "linux")]
static PATHCONF_SYSTEM: &[(&str, i64)] = &[("PC_SOCK_MAXBUF", libc::_PC_SOCK_MAXBUF as i64)];

#[cfg(not(target_os = "linux"))]
static PATHCONF_SYSTEM: &[(&str, i64)] = &[];

/// Names for `confstr`.
static CONFSTR: &[(&str, i64)] = &[("CS_PATH", libc::_CS_PATH as i64)];

/// Those of Linux.
#[cfg(target_os = "linux")]
static CONFSTR_SYSTEM: &[(&str, i64)] = &[
    ("CS_GNU_LIBC_VERSION", libc::_CS_GNU_LIBC_VERSION as i64),
    (
        "CS_GNU_LIBPTHREAD_VERSION",
        libc::_CS_GNU_LIBPTHREAD_VERSION as i64,
    ),
    ("CS_LFS64_CFLAGS", 1004),
    ("CS_LFS64_LDFLAGS", 1005),
    ("CS_LFS64_LIBS", 1006),
    ("CS_LFS64_LINTFLAGS", 1007),
    ("CS_LFS_CFLAGS", 1000),
    ("CS_LFS_LDFLAGS", 1001),
    ("CS_LFS_LIBS", 1002),
    ("CS_LFS_LINTFLAGS", 1003),
    ("CS_XBS5_ILP32_OFF32_CFLAGS", 1100),
    ("CS_XBS5_ILP32_OFF32_LDFLAGS", 1101),
    ("CS_XBS5_ILP32_OFF32_LIBS", 1102),
    ("CS_XBS5_ILP32_OFF32_LINTFLAGS", 1103),
    ("CS_XBS5_ILP32_OFFBIG_CFLAGS", 1104),
    ("CS_XBS5_ILP32_OFFBIG_LDFLAGS", 1105),
    ("CS_XBS5_ILP32_OFFBIG_LIBS", 1106),
    ("CS_XBS5_ILP32_OFFBIG_LINTFLAGS", 1107),
    ("CS_XBS5_LP64_OFF64_CFLAGS", 1108),
    ("CS_XBS5_LP64_OFF64_LDFLAGS", 1109),
    ("CS_XBS5_LP64_OFF64_LIBS", 1110),
    ("CS_XBS5_LP64_OFF64_LINTFLAGS", 1111),
    ("CS_XBS5_LPBIG_OFFBIG_CFLAGS", 1112),
    ("CS_XBS5_LPBIG_OFFBIG_LDFLAGS", 1113),
    ("CS_XBS5_LPBIG_OFFBIG_LIBS", 1114),
    ("CS_XBS5_LPBIG_OFFBIG_LINTFLAGS", 1115),
];

#[cfg(not(target_os = "linux"))]
static CONFSTR_SYSTEM: &[(&str, i64)] = &[];

/// A set of names that numbers can be given by.
#[derive(Clone, Copy)]
pub(super) enum Names {
    Sysconf,
    Pathconf,
    Confstr,
}

impl Names {
    fn tables(self) -> [&'static [(&'static str, i64)]; 2] {
        match self {
            Names::Sysconf => [SYSCONF, SYSCONF_SYSTEM],
            Names::Pathconf => [PATHCONF, PATHCONF_SYSTEM],
            Names::Confstr => [CONFSTR, CONFSTR_SYSTEM],
        }
    }

    /// The number that an argument stands for.
    pub fn number(self, t: &mut Thread, v: Value) -> Res<i32> {
        if let Some(s) = Str::of(v) {
            let found = self.tables().into_iter().flatten().find(|(n, _)| s.is(n));
            return match found {
                Some((_, i)) => Ok(*i as i32),
                None => Err(t.value_error("unrecognized configuration name")),
            };
        }
        if !type_of(v).slots.index.is_set() {
            return Err(t.type_error("configuration names must be strings or integers".into()));
        }
        support::c_int(t, v)
    }

    fn dict(self, t: &Thread) -> Obj {
        let d = Dict::new(t);
        for (name, i) in self.tables().into_iter().flatten() {
            if let Some(d) = Dict::exact(d.value()) {
                d.set_str(t, weft_objects::names::get(t, name), Value::int(*i));
            }
        }
        d
    }
}

/// Adds them all to the module.
pub(super) fn add(t: &Thread, m: &Obj) {
    support::add_ints(t, m, COMMON);
    support::add_ints(t, m, SYSTEM);
    for (name, names) in [
        ("sysconf_names", Names::Sysconf),
        ("pathconf_names", Names::Pathconf),
        ("confstr_names", Names::Confstr),
    ] {
        support::add(t, m, name, names.dict(t));
    }
}
