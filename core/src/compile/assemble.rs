//! The code object being written: registers, labels, handlers, and their assembly into a [`CodeProto`].

use super::bytecode::*;
use super::symtable::{Private, ScopeId};
use super::{Compiler, Res};
use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};
use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;

/// A place in the code that jumps refer to.
pub(super) type Label = u32;
const NO_LABEL: Label = u32::MAX;
/// No handler.
pub(super) const NO_HANDLER: u32 = u32::MAX;
const UNBOUND: u32 = u32::MAX;
/// More constants, names or caches than this are refused: operands have 16 bits.
const MAX_OPERAND: usize = 60_000;
/// More registers than this are refused, so that a register and a count can be added.
const MAX_REGS: usize = 30_000;
/// More registers in one row than this are refused.
const MAX_ROW: usize = 20_000;

/// Where a value is: a register, which is consumed by its reader if it is a temporary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opnd {
    pub reg: u16,
    pub temp: bool,
}

impl Opnd {
    pub fn local(reg: u16) -> Opnd {
        Opnd { reg, temp: false }
    }
    pub fn temp(reg: u16) -> Opnd {
        Opnd { reg, temp: true }
    }
    pub fn xa(self) -> u8 {
        if self.temp { XA } else { 0 }
    }
    pub fn xb(self) -> u8 {
        if self.temp { XB } else { 0 }
    }
    pub fn xc(self) -> u8 {
        if self.temp { XC } else { 0 }
    }
}

/// Where a value shall go: the next temporary, or a local.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dest {
    Push,
    Local(u16),
}

/// An instruction whose jump is not resolved yet.
#[derive(Clone, Copy)]
struct Ins {
    word: Instr,
    label: Label,
    pos: Position,
    handler: u32,
    cold: bool,
    /// A line without code that is passed before it, or 0.
    mark: u32,
}

struct HandlerInfo {
    label: Label,
    depth: u16,
    used: bool,
}

/// Constants without duplicates.
#[derive(Default)]
pub(super) struct ConstTable {
    pub items: Vec<Const>,
    index: HashMap<Vec<u8>, u16>,
}

/// What a jump out of a block has to clean up, innermost last.
#[derive(Clone)]
pub(super) enum Block<'a> {
    /// `iter`: first and number of the temporaries that hold the iteration.
    Loop {
        brk: Label,
        cont: Label,
        iter: u16,
        niter: u16,
        /// The test, if it is always true: this is where each turn begins.
        endless: Option<TextRange>,
    },
    /// The body of a `try` with `finally`.
    Finally { body: &'a [ast::Stmt], outside: u32 },
    /// A `finally` that handles an exception, or a handler without a name.
    Handler {
        exc: u16,
        saved: u16,
        name: Option<&'a ast::Identifier>,
        outside: u32,
    },
    /// The body of a `with`; `slot` is the temporary below, free for a value that is returned.
    With {
        slot: u16,
        base: u16,
        is_async: bool,
        range: TextRange,
        outside: u32,
    },
    /// A temporary that is dropped.
    Temp { reg: u16 },
    /// A `try` body without `finally`: only its handler ends.
    Try { outside: u32 },
    /// The body of an `except*` clause, which only exceptions leave.
    Star {},
}

/// The code object being written.
pub(super) struct Unit<'a> {
    pub scope: ScopeId,
    pub name: String,
    pub qualname: String,
    pub first_line: u32,
    pub argcount: u16,
    pub posonly: u16,
    pub kwonly: u16,
    pub flags: u32,
    pub private: Option<Rc<Private>>,
    /// Registers of the scope's own names; free variables and cells of a class among them.
    pub regs: HashMap<Rc<str>, u16>,
    pub locals: Vec<(String, LocalKind)>,
    /// Registers of the names of inlined comprehensions.
    pub hidden: HashMap<(ScopeId, Rc<str>), u16>,
    /// Inlined comprehensions around the expression being compiled, innermost last.
    pub comps: Vec<ScopeId>,
    pub sp: u16,
    max_sp: u16,
    overflow: bool,
    ins: Vec<Ins>,
    labels: Vec<u32>,
    label_used: Vec<bool>,
    handlers: Vec<HandlerInfo>,
    /// Innermost handler of what is emitted.
    pub handler: u32,
    /// The handler around a generator's whole body, which no program can tell from none.
    pub base_handler: u32,
    pub blocks: Vec<Block<'a>>,
    /// The handler to go back to after a way out has been written.
    pub resume: Option<u32>,
    pub consts: ConstTable,
    names: Vec<String>,
    name_index: HashMap<String, u16>,
    cache_names: Vec<u32>,
    shared_caches: HashMap<(u8, u16), u16>,
    pos: Position,
    /// Nothing that is emitted now can be reached.
    pub dead: bool,
    pub cold: bool,
    pub static_attributes: Vec<String>,
}

impl<'a> Unit<'a> {
    pub fn new(scope: ScopeId) -> Unit<'a> {
        Unit {
            scope,
            name: String::new(),
            qualname: String::new(),
            first_line: 1,
            argcount: 0,
            posonly: 0,
            kwonly: 0,
            flags: 0,
            private: None,
            regs: HashMap::new(),
            locals: Vec::new(),
            hidden: HashMap::new(),
            comps: Vec::new(),
            sp: 0,
            max_sp: 0,
            overflow: false,
            ins: Vec::new(),
            labels: Vec::new(),
            label_used: Vec::new(),
            handlers: Vec::new(),
            handler: NO_HANDLER,
            base_handler: NO_HANDLER,
            blocks: Vec::new(),
            resume: None,
            consts: ConstTable::default(),
            names: Vec::new(),
            name_index: HashMap::new(),
            cache_names: Vec::new(),
            shared_caches: HashMap::new(),
            pos: Position::default(),
            dead: false,
            cold: false,
            static_attributes: Vec::new(),
        }
    }

    /// Adds a local register.
    pub fn add_local(&mut self, name: &str, kind: LocalKind) -> u16 {
        let reg = self.locals.len().min(u16::MAX as usize) as u16;
        self.locals.push((name.to_string(), kind));
        self.overflow |= self.locals.len() > MAX_REGS;
        reg
    }

    /// To be called when all locals are known: temporaries begin after them.
    pub fn start_temps(&mut self) {
        self.sp = self.locals.len().min(MAX_REGS) as u16;
        self.max_sp = self.sp;
    }

    /// The next temporary.
    pub fn alloc(&mut self) -> u16 {
        self.alloc_n(1)
    }

    /// The next `n` temporaries.
    pub fn alloc_n(&mut self, n: usize) -> u16 {
        let reg = self.sp;
        let end = reg as usize + n;
        if end > MAX_REGS {
            self.overflow = true;
        } else {
            self.sp = end as u16;
            self.max_sp = self.max_sp.max(self.sp);
        }
        reg
    }

    /// The register that `dest` stands for now.
    pub fn dest(&mut self, dest: Dest) -> u16 {
        match dest {
            Dest::Push => self.alloc(),
            Dest::Local(r) => r,
        }
    }

    fn put(&mut self, word: Instr, label: Label) {
        if self.dead {
            return;
        }
        if self.handler != NO_HANDLER {
            self.handlers[self.handler as usize].used = true;
        }
        if label != NO_LABEL {
            self.label_used[label as usize] = true;
        }
        self.ins.push(Ins {
            word,
            label,
            pos: self.pos,
            handler: self.handler,
            cold: self.cold,
            mark: 0,
        });
    }

    /// What is emitted next begins with this line, even if there is no code for it.
    pub fn line(&mut self) {
        self.put(Instr::new(Op::Nop, 0, 0, 0, 0), NO_LABEL);
    }

    pub fn emit(&mut self, op: Op, x: u8, a: u16, b: u16, c: u16) {
        let op = self.special(op, x, a, b);
        self.put(Instr::new(op, x, a, b, c), NO_LABEL);
        if matches!(op, Op::Return | Op::ReturnK | Op::Raise | Op::Reraise) {
            self.dead = true;
        }
    }

    /// The opcode for what is known of the operands of a common instruction.
    fn special(&self, op: Op, x: u8, a: u16, b: u16) -> Op {
        let kept = x & XB == 0;
        let global = || {
            let last = self.last_instr();
            last.op() == Op::LoadGlobal as u8 && last.a() == b as usize
        };
        match op {
            Op::Move if kept && self.is_temp(a) => Op::MoveTemp,
            Op::GetAttr if kept && self.is_temp(a) => Op::GetAttrLocal,
            Op::GetAttr if !kept && a == b && global() => Op::GetAttrGlobal,
            Op::GetAttr if !kept && a == b => Op::GetAttrTemp,
            Op::LoadMethod if kept => Op::LoadMethodLocal,
            Op::LoadMethod if global() => Op::LoadMethodGlobal,
            Op::Call if x >> XARG == 0 => Op::CallMethod,
            _ => op,
        }
    }

    fn is_temp(&self, r: u16) -> bool {
        usize::from(r) >= self.locals.len()
    }

    /// The instruction written last.
    pub fn last_instr(&self) -> Instr {
        self.ins
            .last()
            .map_or(Instr::new(Op::Nop, 0, 0, 0, 0), |i| i.word)
    }

    /// The result of the call written last is not wanted.
    pub fn discard_last_result(&mut self) {
        if let Some(i) = self.ins.last_mut() {
            let w = i.word;
            i.word = Instr::new(
                OPS[usize::from(w.op())],
                w.x(),
                super::bytecode::DISCARD,
                w.b() as u16,
                w.c() as u16,
            );
        }
    }

    /// The word after an instruction that needs a second one.
    pub fn ext(&mut self, a: u16) {
        self.emit(Op::Ext, 0, a, 0, 0);
    }

    /// A jump to `label`; for fused compares `b` is the second operand.
    pub fn jump_op(&mut self, op: Op, x: u8, a: u16, b: u16, label: Label) {
        self.put(Instr::new(op, x, a, b, 0), label);
        if matches!(op, Op::Jump | Op::JumpBack) {
            self.dead = true;
        }
    }

    pub fn jump(&mut self, label: Label) {
        self.jump_op(Op::Jump, 0, 0, 0, label);
    }

    pub fn jump_back(&mut self, label: Label) {
        self.jump_op(Op::JumpBack, 0, 0, 0, label);
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        self.label_used.push(false);
        self.labels.len() as Label - 1
    }

    /// Places `label` here.
    pub fn bind(&mut self, label: Label) {
        self.labels[label as usize] = self.ins.len() as u32;
        if self.label_used[label as usize] {
            self.dead = false;
        }
    }

    /// A handler that will put the exception into register `sp`.
    pub fn new_handler(&mut self) -> u32 {
        let label = self.label();
        self.handlers.push(HandlerInfo {
            label,
            depth: self.sp,
            used: false,
        });
        self.handlers.len() as u32 - 1
    }

    /// The code of handler `h` begins here; gives the register of the exception.
    pub fn bind_handler(&mut self, h: u32) -> u16 {
        let HandlerInfo { label, depth, used } = self.handlers[h as usize];
        self.label_used[label as usize] = used;
        self.dead = true;
        self.bind(label);
        self.sp = depth;
        self.alloc()
    }

    pub fn set_pos(&mut self, pos: Position) {
        self.pos = pos;
    }

    pub fn pos(&self) -> Position {
        self.pos
    }

    /// The index of a name.
    pub fn name_of(&mut self, name: &str) -> u16 {
        if let Some(&i) = self.name_index.get(name) {
            return i;
        }
        let i = self.names.len().min(u16::MAX as usize) as u16;
        self.overflow |= self.names.len() > MAX_OPERAND;
        self.names.push(name.to_string());
        self.name_index.insert(name.to_string(), i);
        i
    }

    /// A fresh inline cache for a name (shared with others of that name if there are too many).
    pub fn cache(&mut self, name: u32) -> u16 {
        let i = self.cache_names.len();
        if i >= MAX_OPERAND {
            let found = self.cache_names.iter().position(|n| *n == name);
            self.overflow |= found.is_none();
            return found.unwrap_or(0) as u16;
        }
        self.cache_names.push(name);
        i as u16
    }

    /// The `n` inline caches that all instructions `op` share which look up the global `name`.
    pub fn global_cache(&mut self, op: Op, name: u16, n: usize) -> u16 {
        if let Some(&c) = self.shared_caches.get(&(op as u8, name)) {
            return c;
        }
        let c = self.cache_names.len();
        self.overflow |= c + n > MAX_OPERAND;
        self.cache_names.extend(std::iter::repeat_n(u32::MAX, n));
        let c = c.min(MAX_OPERAND) as u16;
        self.shared_caches.insert((op as u8, name), c);
        c
    }

    /// The index of a constant.
    pub fn const_index(&mut self, c: Const) -> u16 {
        let mut key = Vec::new();
        if ConstTable::key(&c, &mut key) {
            if let Some(&i) = self.consts.index.get(&key) {
                return i;
            }
            let i = self.consts.items.len().min(u16::MAX as usize) as u16;
            self.consts.index.insert(key, i);
        }
        self.overflow |= self.consts.items.len() > MAX_OPERAND;
        self.consts.items.push(c);
        (self.consts.items.len() - 1).min(u16::MAX as usize) as u16
    }

    /// Writes the code object.
    fn assemble(mut self, filename: &str) -> Option<CodeProto> {
        if self.overflow {
            return None;
        }
        self.thread_jumps();
        self.split_exits();
        self.drop_unreachable();
        self.move_cold();
        self.drop_jumps();
        self.fold_lines();
        self.drop_jumps();
        self.fold_lines();
        self.part_entries();
        self.spread_lines();
        self.widen_jumps();
        let mut instrs = Vec::with_capacity(self.ins.len());
        for (i, ins) in self.ins.iter().enumerate() {
            let mut word = ins.word;
            if ins.label != NO_LABEL {
                let offset = i64::from(self.labels[ins.label as usize]) - i as i64 - 1;
                word = resolve(word, offset);
            }
            instrs.push(word);
        }
        let handlers = self.handler_table();
        let marks = self.ins.iter().enumerate().filter(|(_, ins)| ins.mark != 0);
        let marks = marks.map(|(i, ins)| Position {
            line: ins.mark,
            end_line: i as u32,
            ..Position::default()
        });
        let positions = self.ins.iter().map(|i| i.pos).chain(marks).collect();
        Some(CodeProto {
            name: self.name,
            qualname: self.qualname,
            filename: filename.to_string(),
            first_line: self.first_line,
            argcount: self.argcount,
            posonly: self.posonly,
            kwonly: self.kwonly,
            flags: self.flags,
            nlocals: self.locals.len() as u16,
            nregs: self.max_sp,
            locals: self.locals,
            instrs,
            consts: self.consts.items,
            names: self.names,
            cache_names: self.cache_names,
            handlers,
            positions,
        })
    }

    /// Jumps to jumps go where those go.
    fn thread_jumps(&mut self) {
        for i in 0..self.ins.len() {
            let ins = self.ins[i];
            if ins.label == NO_LABEL || matches!(op_of(ins.word), Op::JumpBack) {
                continue;
            }
            let mut label = ins.label;
            for _ in 0..8 {
                let Some(target) = self.ins.get(self.labels[label as usize] as usize) else {
                    break;
                };
                if op_of(target.word) != Op::Jump
                    || self.labels[target.label as usize] as usize <= i
                {
                    break;
                }
                label = target.label;
            }
            self.ins[i].label = label;
        }
    }

    /// Puts the code of exception handlers behind everything else. Control never falls into or out of it.
    fn move_cold(&mut self) {
        if !self.ins.iter().any(|i| i.cold) {
            return;
        }
        let mut moved = vec![0; self.ins.len() + 1];
        let mut order = Vec::with_capacity(self.ins.len());
        for cold in [false, true] {
            for (i, ins) in self.ins.iter().enumerate() {
                if ins.cold == cold {
                    moved[i] = order.len() as u32;
                    order.push(*ins);
                }
            }
        }
        moved[self.ins.len()] = order.len() as u32;
        self.ins = order;
        for at in &mut self.labels {
            if *at != UNBOUND {
                *at = moved[*at as usize];
            }
        }
    }

    /// Removes what threading has made unreachable.
    fn drop_unreachable(&mut self) {
        let mut keep = vec![false; self.ins.len()];
        let mut work = vec![0];
        while let Some(mut i) = work.pop() {
            while i < keep.len() && !keep[i] {
                keep[i] = true;
                let ins = self.ins[i];
                if ins.handler != NO_HANDLER {
                    work.push(
                        self.labels[self.handlers[ins.handler as usize].label as usize] as usize,
                    );
                }
                if ins.label != NO_LABEL {
                    work.push(self.labels[ins.label as usize] as usize);
                }
                let op = op_of(ins.word);
                if matches!(
                    op,
                    Op::Jump | Op::JumpBack | Op::Return | Op::ReturnK | Op::Raise | Op::Reraise
                ) {
                    break;
                }
                i += 1;
            }
        }
        if keep.contains(&false) {
            self.retain(&keep);
        }
    }

    /// Removes jumps to the instruction that follows; their lines stay.
    fn drop_jumps(&mut self) {
        loop {
            let mut keep = vec![true; self.ins.len()];
            for (i, ins) in self.ins.iter_mut().enumerate() {
                if op_of(ins.word) != Op::Jump || self.labels[ins.label as usize] as usize != i + 1
                {
                    continue;
                }
                if ins.pos.line == 0 && ins.mark == 0 {
                    keep[i] = false;
                } else {
                    ins.word = Instr::new(Op::Nop, 0, 0, 0, 0);
                    ins.label = NO_LABEL;
                }
            }
            if !keep.contains(&false) {
                return;
            }
            self.retain(&keep);
        }
    }

    /// The end of a function that has no line is in the line from which it is reached: each jump to it gets one of its own.
    fn split_exits(&mut self) {
        let mut made: HashMap<(u32, u32), Label> = HashMap::new();
        for i in 0..self.ins.len() {
            let ins = self.ins[i];
            if ins.label == NO_LABEL {
                continue;
            }
            let to = self.labels[ins.label as usize];
            let Some(n) = self.exit_at(to as usize) else {
                continue;
            };
            if op_of(ins.word) == Op::Jump && n == 1 {
                let end = self.ins[to as usize];
                self.ins[i] = Ins {
                    pos: ins.pos,
                    cold: ins.cold,
                    mark: ins.mark,
                    ..end
                };
                continue;
            }
            if ins.pos.line == 0 && op_of(ins.word) != Op::Jump {
                continue;
            }
            if ins.pos.line != 0
                && let Some(label) = made.get(&(to, ins.pos.line))
            {
                self.ins[i].label = *label;
                continue;
            }
            let label = self.label();
            made.insert((to, ins.pos.line), label);
            self.labels[label as usize] = self.ins.len() as u32;
            self.label_used[label as usize] = true;
            self.ins[i].label = label;
            // A jump without a line is in that of what comes before it.
            let before = if i > 0 { self.ins[i - 1].pos } else { ins.pos };
            let pos = if ins.pos.line == 0 { before } else { ins.pos };
            for k in to as usize..to as usize + n {
                self.ins.push(Ins {
                    pos,
                    cold: ins.cold,
                    mark: 0,
                    ..self.ins[k]
                });
            }
        }
    }

    /// How many instructions lead from `at` to the end of the function, if none has a line and there are few.
    fn exit_at(&self, at: usize) -> Option<usize> {
        const FEW: usize = 6;
        let run = self.ins.get(at..)?;
        let end = run
            .iter()
            .take(FEW)
            .position(|x| op_of(x.word) == Op::ReturnK)?;
        let plain = |x: &Ins| x.pos.line == 0 && x.label == NO_LABEL && x.mark == 0;
        run[..=end].iter().all(plain).then_some(end + 1)
    }

    /// How many instructions prepare the frame.
    fn entry(&self) -> usize {
        let prepares = |w: &Ins| {
            matches!(
                op_of(w.word),
                Op::CopyFree | Op::MakeCell | Op::ReturnGenerator
            )
        };
        self.ins.iter().take_while(|w| prepares(w)).count()
    }

    /// What has no line and is reached from the instruction before alone is in its line.
    fn spread_lines(&mut self) {
        let led_to = self.led_to();
        let start = self.entry();
        // There is one more place than instructions: the end.
        let n = self.ins.len();
        for (i, led_to) in led_to[..n].iter().enumerate().skip(start + 1) {
            let last = self.ins[i - 1];
            let goes_on = !matches!(
                op_of(last.word),
                Op::Jump | Op::JumpBack | Op::Return | Op::ReturnK | Op::Raise | Op::Reraise
            );
            if self.ins[i].pos.line == 0 && goes_on && !led_to {
                self.ins[i].pos = last.pos;
            }
        }
    }

    /// Which instructions jumps and handlers lead to.
    fn led_to(&self) -> Vec<bool> {
        let mut led_to = vec![false; self.ins.len() + 1];
        for ins in &self.ins {
            if ins.label != NO_LABEL {
                led_to[self.labels[ins.label as usize] as usize] = true;
            }
            if ins.handler != NO_HANDLER {
                let label = self.handlers[ins.handler as usize].label;
                led_to[self.labels[label as usize] as usize] = true;
            }
        }
        led_to
    }

    /// Removes instructions that only stand for a line, as far as that can be told from others; what cannot, but is only passed on the
    /// way to the next instruction, becomes a mark of that. The rest stays.
    fn fold_lines(&mut self) {
        let led_to = self.led_to();
        let mut keep = vec![true; self.ins.len()];
        // The line of the instruction before, if this one is reached from there alone.
        let mut before = 0;
        for i in 0..self.ins.len() {
            if led_to[i] {
                before = 0;
            }
            let Ins {
                word, pos, mark, ..
            } = self.ins[i];
            if op_of(word) != Op::Nop {
                before = if pos.line != 0 { pos.line } else { before };
                continue;
            }
            let next_led_to = led_to[i + 1];
            let Some(next) = self.ins.get_mut(i + 1).filter(|_| mark == 0) else {
                before = pos.line;
                continue;
            };
            if pos.line == 0 || pos.line == before || pos.line == next.pos.line {
                keep[i] = false;
                continue;
            }
            before = pos.line;
            if next_led_to || next.mark != 0 {
                continue;
            }
            keep[i] = false;
            if next.pos.line == 0 && op_of(next.word) != Op::Nop {
                next.pos = pos;
            } else {
                next.mark = pos.line;
            }
        }
        if keep.contains(&false) {
            self.retain(&keep);
        }
    }

    /// Puts a Nop where the code begins and where a generator goes on, if jumps lead there as well: tracing tools want to know who
    /// has come to stay.
    fn part_entries(&mut self) {
        let start = self.entry();
        let led_to = self.led_to();
        let yields = |i: usize| i > 0 && op_of(self.ins[i - 1].word) == Op::Yield;
        let entries: Vec<usize> = (0..self.ins.len())
            .filter(|&i| led_to[i] && (i == start || yields(i)))
            .collect();
        for &i in entries.iter().rev() {
            let like = self.ins[if i > start { i - 1 } else { i }];
            let nop = Ins {
                word: Instr::new(Op::Nop, 0, 0, 0, 0),
                label: NO_LABEL,
                mark: 0,
                pos: if i > start {
                    like.pos
                } else {
                    Position::default()
                },
                ..like
            };
            self.ins.insert(i, nop);
            for at in &mut self.labels {
                if *at != UNBOUND && *at as usize >= i {
                    *at += 1;
                }
            }
        }
    }

    /// Removes instructions and moves the labels.
    fn retain(&mut self, keep: &[bool]) {
        let mut moved = Vec::with_capacity(self.ins.len() + 1);
        let mut n = 0;
        for k in keep {
            moved.push(n);
            n += u32::from(*k);
        }
        moved.push(n);
        let mut kept = keep.iter();
        self.ins.retain(|_| kept.next().copied().unwrap_or(true));
        for at in &mut self.labels {
            if *at != UNBOUND {
                *at = moved[*at as usize];
            }
        }
    }

    /// Gives jumps of 16 bits that go too far a jump of 32 bits: the short one goes to it, and a plain one around it.
    fn widen_jumps(&mut self) {
        if self.ins.len() < 30_000 {
            return;
        }
        let mut far = vec![false; self.ins.len()];
        loop {
            // Where each instruction will be, given those that are known to need three words.
            let mut at = Vec::with_capacity(self.ins.len() + 1);
            let mut n = 0i64;
            for f in &far {
                at.push(n);
                n += if *f { 3 } else { 1 };
            }
            at.push(n);
            let mut more = false;
            for (i, ins) in self.ins.iter().enumerate() {
                if !far[i] && ins.label != NO_LABEL && short_jump(op_of(ins.word)) {
                    let offset = at[self.labels[ins.label as usize] as usize] - at[i] - 1;
                    if i16::try_from(offset).is_err() {
                        far[i] = true;
                        more = true;
                    }
                }
            }
            if !more {
                self.insert_far(&far, &at);
                return;
            }
        }
    }

    fn insert_far(&mut self, far: &[bool], at: &[i64]) {
        for l in &mut self.labels {
            if *l != UNBOUND {
                *l = at[*l as usize] as u32;
            }
        }
        let mut out: Vec<Ins> = Vec::with_capacity(self.ins.len());
        for (ins, far) in std::mem::take(&mut self.ins).into_iter().zip(far) {
            if !far {
                out.push(ins);
                continue;
            }
            let (near, around) = (self.label(), self.label());
            let here = out.len() as u32;
            self.labels[near as usize] = here + 2;
            self.labels[around as usize] = here + 3;
            let jump = Instr::new(Op::Jump, 0, 0, 0, 0);
            out.push(Ins { label: near, ..ins });
            out.push(Ins {
                label: around,
                word: jump,
                mark: 0,
                ..ins
            });
            out.push(Ins {
                label: ins.label,
                word: jump,
                mark: 0,
                ..ins
            });
        }
        self.ins = out;
    }

    fn handler_table(&self) -> Vec<Handler> {
        let mut table: Vec<Handler> = Vec::new();
        let mut last = NO_HANDLER;
        for (i, ins) in self.ins.iter().enumerate() {
            let i = i as u32;
            if ins.handler == NO_HANDLER {
                last = NO_HANDLER;
                continue;
            }
            if ins.handler == last
                && let Some(h) = table.last_mut()
            {
                h.end = i + 1;
                continue;
            }
            last = ins.handler;
            let info = &self.handlers[last as usize];
            let target = self.labels[info.label as usize];
            table.push(Handler {
                start: i,
                end: i + 1,
                target,
                depth: info.depth,
            });
        }
        table
    }
}

fn op_of(word: Instr) -> Op {
    OPS[word.op() as usize]
}

/// Whether the jump offset is in `c` alone.
pub(crate) fn short_jump(op: Op) -> bool {
    matches!(
        op,
        Op::JumpLt
            | Op::JumpLe
            | Op::JumpEq
            | Op::JumpNe
            | Op::JumpGt
            | Op::JumpGe
            | Op::JumpLtK
            | Op::JumpLeK
            | Op::JumpEqK
            | Op::JumpNeK
            | Op::JumpGtK
            | Op::JumpGeK
            | Op::ForIter
            | Op::Send
    )
}

/// Whether the jump offset is in `b` and `c`.
pub(crate) fn long_jump(op: Op) -> bool {
    matches!(
        op,
        Op::Jump | Op::JumpBack | Op::JumpTrue | Op::JumpFalse | Op::JumpNone | Op::JumpNotNone
    )
}

fn resolve(word: Instr, offset: i64) -> Instr {
    let op = op_of(word);
    if short_jump(op) {
        Instr::new(
            op,
            word.x(),
            word.a() as u16,
            word.b() as u16,
            offset as i16 as u16,
        )
    } else {
        Instr::jump(op, word.x(), word.a() as u16, offset as i32)
    }
}

impl<'a> Compiler<'a> {
    /// What is emitted from now on comes from `range`.
    pub(super) fn at(&mut self, range: TextRange) {
        let pos = self.src.position(range);
        self.u.set_pos(pos);
    }

    pub(super) fn at_node(&mut self, node: &impl Ranged) {
        self.at(node.range());
    }

    /// What is emitted from now on comes from nowhere in particular.
    pub(super) fn at_nowhere(&mut self) {
        self.u.set_pos(Position::default());
    }

    pub(super) fn emit(&mut self, op: Op, x: u8, a: u16, b: u16, c: u16) {
        self.u.emit(op, x, a, b, c);
    }

    /// Checks a number of registers that are wanted in a row.
    pub(super) fn small(&self, n: usize, range: TextRange) -> Res<usize> {
        if n > MAX_ROW {
            return self.err(range, "weft: too many items");
        }
        Ok(n)
    }

    /// Loads a constant.
    pub(super) fn load_k(&mut self, c: Const, dest: Dest) -> u16 {
        let k = self.u.const_index(c);
        let d = self.u.dest(dest);
        self.emit(Op::LoadK, 0, d, k, 0);
        d
    }

    /// Drops a temporary.
    pub(super) fn clear(&mut self, reg: u16) {
        self.emit(Op::Clear, 0, reg, 0, 0);
    }

    /// Copies or moves an operand.
    pub(super) fn mov(&mut self, from: Opnd, dest: u16) {
        if from.reg != dest {
            self.emit(Op::Move, from.xb(), dest, from.reg, 0);
        }
    }

    pub(super) fn intrinsic(&mut self, i: Intrinsic, first: u16, dest: u16) {
        self.emit(Op::CallIntrinsic, XB, dest, first, i as u16);
    }

    /// Opens the unit of a scope inside the present one.
    pub(super) fn open_unit(&mut self, unit: Unit<'a>) {
        self.outer.push(std::mem::replace(&mut self.u, unit));
    }

    /// Closes the present unit.
    pub(super) fn close_unit(&mut self) -> Res<CodeProto> {
        let outer = self.outer.pop().unwrap_or_else(|| Unit::new(0));
        let unit = std::mem::replace(&mut self.u, outer);
        let name = unit.name.clone();
        let Some(code) = unit.assemble(self.src.filename) else {
            return Err(self
                .src
                .plain_error(format!("weft: the code of '{name}' is too large")));
        };
        #[cfg(debug_assertions)]
        if code.instrs.len() < 20_000
            && code.nregs < 2_000
            && let Err(msg) = super::verify::verify(&code)
        {
            let listing = disassemble(&code);
            return Err(self.src.plain_error(format!(
                "weft: the compiler wrote unsound code: {msg}\n{listing}"
            )));
        }
        Ok(code)
    }
}

/// A readable listing of a code object and those inside it.
pub fn disassemble(code: &CodeProto) -> String {
    let mut out = String::new();
    listing(code, &mut out);
    out
}

fn listing(code: &CodeProto, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "code {} (line {}) args {} posonly {} kwonly {} flags {:#x} regs {}/{}",
        code.qualname,
        code.first_line,
        code.argcount,
        code.posonly,
        code.kwonly,
        code.flags,
        code.nlocals,
        code.nregs
    );
    for (i, (name, kind)) in code.locals.iter().enumerate() {
        let _ = writeln!(out, "  local {i}: {name} {kind:?}");
    }
    let mut line = 0;
    for (i, word) in code.instrs.iter().enumerate() {
        let pos = code.positions.get(i).copied().unwrap_or_default();
        let shown = if pos.line != line {
            pos.line.to_string()
        } else {
            String::new()
        };
        line = pos.line;
        let _ = writeln!(out, "{shown:>5} {i:5} {}", show(code, i, *word));
    }
    for h in &code.handlers {
        let _ = writeln!(
            out,
            "  handler {}..{} -> {} depth {}",
            h.start, h.end, h.target, h.depth
        );
    }
    for c in &code.consts {
        if let Const::Code(inner) = c {
            out.push('\n');
            listing(inner, out);
        }
    }
}

fn show(code: &CodeProto, i: usize, word: Instr) -> String {
    let op = OPS.get(word.op() as usize).copied().unwrap_or(Op::Nop);
    let x = word.x();
    let mut text = format!("{op:?}");
    if word.arg() != 0 {
        let _ = write!(text, "/{}", word.arg());
    }
    let reg = |r: usize, flag: u8| {
        let name = code
            .locals
            .get(r)
            .map_or(format!("t{r}"), |(n, _)| format!("{n}:{r}"));
        if x & flag != 0 {
            format!("{name}!")
        } else {
            name
        }
    };
    let konst = |k: usize| match code.consts.get(k) {
        Some(Const::Code(c)) => format!("<code {}>", c.name),
        Some(Const::Str(s)) => format!("{:?}", String::from_utf8_lossy(s)),
        Some(c) => format!("{c:?}"),
        None => "?".to_string(),
    };
    let name = |n: usize| code.names.get(n).cloned().unwrap_or_default();
    let cached = |c: usize| match code.cache_names.get(c) {
        Some(&n) if n != u32::MAX => format!(".{}", name(n as usize)),
        _ => String::new(),
    };
    let (a, b, c) = (word.a(), word.b(), word.c());
    let args = match op {
        Op::LoadK => format!("{} {}", reg(a, 0), konst(b)),
        Op::ReturnK => konst(b),
        Op::LoadGlobal | Op::LoadName => format!("{} {}", reg(a, 0), name(b)),
        Op::StoreGlobal | Op::StoreName => format!("{} {}", reg(a, XA), name(b)),
        Op::DeleteGlobal | Op::DeleteName => name(b),
        Op::GetAttr
        | Op::GetAttrLocal
        | Op::GetAttrTemp
        | Op::GetAttrGlobal
        | Op::LoadMethod
        | Op::LoadMethodLocal
        | Op::LoadMethodGlobal
        | Op::SetAttr => {
            format!("{} {}{}", reg(a, XA), reg(b, XB), cached(c))
        }
        Op::DelAttr => format!("{} .{}", reg(a, XA), name(b)),
        Op::SuperAttr | Op::SuperMethod | Op::ImportName | Op::ImportFrom => {
            format!("{} {} {}", reg(a, 0), reg(b, XB), name(c))
        }
        Op::MakeGenExpr => format!("{} {} {}", reg(a, 0), konst(b), reg(c, 0)),
        Op::MakeFunction => format!("{} {} {}", reg(a, 0), konst(b), reg(c, 0)),
        Op::GetItemK => format!("{} {} {}", reg(a, 0), reg(b, XB), konst(c)),
        _ if (Op::AddK as u8..=Op::XorK as u8).contains(&(op as u8)) => {
            format!("{} {} {}", reg(a, 0), reg(b, XB), konst(c))
        }
        _ if (Op::JumpLtK as u8..=Op::JumpGeK as u8).contains(&(op as u8)) => {
            format!(
                "{} {} -> {}",
                reg(a, XA),
                konst(b),
                i as isize + 1 + word.off16()
            )
        }
        _ if short_jump(op) => format!(
            "{} {} -> {}",
            reg(a, XA),
            reg(b, XB),
            i as isize + 1 + word.off16()
        ),
        _ if long_jump(op) => format!("{} -> {}", reg(a, XA), i as isize + 1 + word.off32()),
        _ => format!("{} {} {}", reg(a, XA), reg(b, XB), reg(c, XC)),
    };
    format!("{text:14} {args}")
}
