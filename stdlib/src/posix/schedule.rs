//! Priorities and processors.

use super::*;
#[cfg(target_os = "linux")]
use crate::support::int_obj;

fn nice(t: &mut Thread, a: &[Value]) -> Res {
    let n = support::c_int(t, a[0])?;
    names::set_errno(0);
    // SAFETY: always callable.
    let r = unsafe { libc::nice(n) };
    if r == -1 && errno() != 0 {
        Err(last_error(t))
    } else {
        Ok(Value::int(i64::from(r)))
    }
}

fn getpriority(t: &mut Thread, a: &[Value]) -> Res {
    let (which, who) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    names::set_errno(0);
    // SAFETY: always callable.
    let r = unsafe { libc::getpriority(which as _, who as libc::id_t) };
    if r == -1 && errno() != 0 {
        Err(last_error(t))
    } else {
        Ok(Value::int(i64::from(r)))
    }
}

fn setpriority(t: &mut Thread, a: &[Value]) -> Res {
    let (which, who) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    let priority = support::c_int(t, a[2])?;
    // SAFETY: always callable.
    done(t, unsafe {
        libc::setpriority(which as _, who as libc::id_t, priority)
    })
}

fn sched_yield(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: always callable.
    call_os(t, || unsafe { libc::sched_yield() } as isize)?;
    Ok(Value::NONE)
}

fn get_priority_max(t: &mut Thread, a: &[Value]) -> Res {
    let policy = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    int_or_error(
        t,
        i64::from(unsafe { libc::sched_get_priority_max(policy) }),
    )
}

fn get_priority_min(t: &mut Thread, a: &[Value]) -> Res {
    let policy = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    int_or_error(
        t,
        i64::from(unsafe { libc::sched_get_priority_min(policy) }),
    )
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("nice", "(increment, /)", nice)
        .doc("Add increment to the priority of process and return the new priority."),
    NativeDef::new("getpriority", "(which, who)", getpriority)
        .doc("Return program scheduling priority."),
    NativeDef::new("setpriority", "(which, who, priority)", setpriority)
        .doc("Set program scheduling priority."),
    NativeDef::new("sched_yield", "()", sched_yield).doc("Voluntarily relinquish the CPU."),
    NativeDef::new("sched_get_priority_max", "(policy)", get_priority_max)
        .doc("Get the maximum scheduling priority for policy."),
    NativeDef::new("sched_get_priority_min", "(policy)", get_priority_min)
        .doc("Get the minimum scheduling priority for policy."),
    #[cfg(target_os = "linux")]
    NativeDef::new("sched_getaffinity", "(pid, /)", linux::getaffinity).doc(
        "Return the affinity of the process identified by pid (or the current process if zero).",
    ),
    #[cfg(target_os = "linux")]
    NativeDef::new("sched_setaffinity", "(pid, mask, /)", linux::setaffinity)
        .doc("Set the CPU affinity of the process identified by pid to mask."),
    #[cfg(target_os = "linux")]
    NativeDef::new("sched_getscheduler", "(pid, /)", linux::getscheduler)
        .doc("Get the scheduling policy for the process identified by pid."),
    #[cfg(target_os = "linux")]
    NativeDef::new(
        "sched_setscheduler",
        "(pid, policy, param, /)",
        linux::setscheduler,
    )
    .doc("Set the scheduling policy for the process identified by pid."),
    #[cfg(target_os = "linux")]
    NativeDef::new("sched_getparam", "(pid, /)", linux::getparam)
        .doc("Returns scheduling parameters for the process identified by pid."),
    #[cfg(target_os = "linux")]
    NativeDef::new("sched_setparam", "(pid, param, /)", linux::setparam)
        .doc("Set scheduling parameters for the process identified by pid."),
    #[cfg(target_os = "linux")]
    NativeDef::new("sched_rr_get_interval", "(pid, /)", linux::rr_get_interval)
        .doc("Return the round-robin quantum for the process identified by pid, in seconds."),
];

#[cfg(not(target_os = "linux"))]
pub(super) fn add_types(_t: &Thread, _m: &Obj) {}

#[cfg(target_os = "linux")]
pub(super) use linux::add_types;

#[cfg(target_os = "linux")]
pub use linux::param;

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use crate::structseq;

    /// `os.sched_param`: made of the one number that it holds.
    static SCHED_PARAM: Type = Type::builtin(
        "sched_param",
        size_of::<structseq::Sequence>(),
        &Spec {
            repr: Some(structseq::repr),
            new: Some(param_new),
            methods: &[
                NativeDef::new("__reduce__", "($self, /)", param_reduce),
                structseq::REPLACE,
            ],
            getset: &[GetSetDef::ro("sched_priority", structseq::field::<0>)],
            ..Spec::EMPTY
        },
    )
    .base(&weft_objects::tuple::TUPLE)
    .module("posix")
    .gc(structseq::traverse, structseq::clear)
    .final_()
    .doc("Currently has only one field: sched_priority");

    static SCHED_PARAM_DEF: structseq::Def = structseq::Def {
        ty: &SCHED_PARAM,
        fields: &["sched_priority"],
        visible: 1,
    };

    pub fn add_types(t: &Thread, m: &Obj) {
        SCHED_PARAM_DEF.ready(t);
        support::add_type(t, m, &SCHED_PARAM);
    }

    fn param_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
        static SIG: SigCell = SigCell::new("sched_param", "(sched_priority)");
        let a = SIG.bind(t, args)?;
        let priority = Obj::new(t, a[0]);
        Ok(SCHED_PARAM_DEF.make(t, vec![priority]).into())
    }

    fn param_reduce(t: &mut Thread, a: &[Value]) -> Res {
        let priority = Obj::own(structseq::field::<0>(t, a[0])?);
        let args = Tuple::from_vec(t, vec![priority]);
        let cls = Obj::new(t, type_of(a[0]).value());
        Ok(Tuple::from_vec(t, vec![cls, args]).into())
    }

    pub fn param(t: &mut Thread, v: Value) -> Res<libc::sched_param> {
        if !type_of(v).is(&SCHED_PARAM) {
            return Err(t.type_error("must have a sched_param object".into()));
        }
        let n = Obj::own(structseq::field::<0>(t, v)?);
        Ok(libc::sched_param {
            sched_priority: support::c_int(t, n.value())?,
        })
    }

    pub fn getscheduler(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        // SAFETY: always callable.
        int_or_error(t, i64::from(unsafe { libc::sched_getscheduler(pid) }))
    }

    pub fn setscheduler(t: &mut Thread, a: &[Value]) -> Res {
        let (pid, policy) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
        let param = param(t, a[2])?;
        // SAFETY: the structure is ours.
        done(t, unsafe { libc::sched_setscheduler(pid, policy, &param) })
    }

    pub fn getparam(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        let mut param = libc::sched_param { sched_priority: 0 };
        // SAFETY: the structure is ours.
        done(t, unsafe { libc::sched_getparam(pid, &mut param) })?;
        Ok(SCHED_PARAM_DEF
            .make(t, vec![int_obj(t, i64::from(param.sched_priority))])
            .into())
    }

    pub fn setparam(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        let param = param(t, a[1])?;
        // SAFETY: the structure is ours.
        done(t, unsafe { libc::sched_setparam(pid, &param) })
    }

    pub fn rr_get_interval(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        let mut ts = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the structure is ours.
        done(t, unsafe { libc::sched_rr_get_interval(pid, &mut ts) })?;
        Ok(weft_objects::float::from_f64(
            t,
            ts.tv_sec as f64 + ts.tv_nsec as f64 * 1e-9,
        ))
    }

    /// Processors that a mask has room for.
    const MOST: usize = 1 << 16;

    pub fn getaffinity(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        let mut words = vec![0u64; MOST / 64];
        // SAFETY: the mask is as long as stated.
        done(t, unsafe {
            libc::sched_getaffinity(pid, MOST / 8, words.as_mut_ptr().cast())
        })?;
        let on = |i: &i64| words[*i as usize / 64] >> (i % 64) & 1 == 1;
        let list = (0..MOST as i64).filter(on).map(|i| int_obj(t, i)).collect();
        let list = List::from_vec(t, list);
        proto::call(t, weft_objects::set::SET.value(), &[list.value()]).map(Obj::into_value)
    }

    pub fn setaffinity(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        let mut words = vec![0u64; MOST / 64];
        for item in proto::to_vec(t, a[1])? {
            if !type_of(item.value()).slots.index.is_set() {
                let got = type_of(item.value()).name();
                return Err(t.type_error(format!(
                    "expected an iterator of ints, but iterator yielded {got}"
                )));
            }
            let cpu = long(t, item.value())?;
            match usize::try_from(cpu) {
                Err(_) => return Err(t.value_error("negative CPU number")),
                Ok(cpu) if cpu >= MOST => return Err(t.overflow_error("CPU number too large")),
                Ok(cpu) => words[cpu / 64] |= 1 << (cpu % 64),
            }
        }
        // SAFETY: the mask is as long as stated.
        done(t, unsafe {
            libc::sched_setaffinity(pid, MOST / 8, words.as_ptr().cast())
        })
    }
}
