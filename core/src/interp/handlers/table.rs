//! Which handler an opcode has.

use super::{Handler, arith, attrs, calls, flow, generators, items, iteration, jumps, names};
use crate::compile::bytecode::{OPS, Op};
use crate::interp::monitor;
use weft_objects::monitor::{INSTRUMENTED, STALE};

/// The handlers by opcode.
pub static HANDLERS: [Handler; 256] = {
    let mut all: [Handler; 256] = [names::nop; 256];
    all[INSTRUMENTED as usize] = monitor::instrumented;
    all[STALE as usize] = monitor::stale;
    let mut n = 0;
    while n < OPS.len() {
        all[OPS[n] as usize] = handler(OPS[n]);
        n += 1;
    }
    all
};

const fn handler(op: Op) -> Handler {
    match op {
        Op::Nop => names::nop,
        Op::Ext => names::nop,
        Op::Move => names::move_,
        Op::MoveTemp => names::move_temp,
        Op::LoadK => names::load_k,
        Op::LoadGlobal => names::load_global,
        Op::StoreGlobal => names::store_global,
        Op::DeleteGlobal => names::delete_global,
        Op::LoadName => names::load_name,
        Op::StoreName => names::store_name,
        Op::DeleteName => names::delete_name,
        Op::LoadLocals => names::load_locals,
        Op::LoadFromDictOrGlobals => names::load_from_dict_or_globals,
        Op::LoadFromDictOrDeref => names::load_from_dict_or_deref,
        Op::DeleteFast => names::delete_fast,
        Op::Clear => names::clear,
        Op::MakeCell => names::make_cell,
        Op::CopyFree => names::copy_free,
        Op::LoadDeref => names::load_deref,
        Op::StoreDeref => names::store_deref,
        Op::DeleteDeref => names::delete_deref,
        Op::LoadCell => names::load_cell,
        Op::Add => arith::add,
        Op::Sub => arith::sub,
        Op::Mul => arith::mul,
        Op::TrueDiv => arith::true_div,
        Op::FloorDiv => arith::floor_div,
        Op::Mod => arith::modulo,
        Op::Pow => arith::pow,
        Op::LShift => arith::lshift,
        Op::RShift => arith::rshift,
        Op::And => arith::bit_and,
        Op::Or => arith::bit_or,
        Op::Xor => arith::bit_xor,
        Op::MatMul => arith::mat_mul,
        Op::AddK => arith::add_k,
        Op::SubK => arith::sub_k,
        Op::MulK => arith::mul_k,
        Op::TrueDivK => arith::true_div_k,
        Op::FloorDivK => arith::floor_div_k,
        Op::ModK => arith::modulo_k,
        Op::PowK => arith::pow_k,
        Op::LShiftK => arith::lshift_k,
        Op::RShiftK => arith::rshift_k,
        Op::AndK => arith::bit_and_k,
        Op::OrK => arith::bit_or_k,
        Op::XorK => arith::bit_xor_k,
        Op::Neg => arith::neg,
        Op::Pos => arith::pos,
        Op::Invert => arith::invert,
        Op::Not => arith::not,
        Op::Lt => arith::lt,
        Op::Le => arith::le,
        Op::Eq => arith::eq,
        Op::Ne => arith::ne,
        Op::Gt => arith::gt,
        Op::Ge => arith::ge,
        Op::Is => arith::is,
        Op::Contains => arith::contains,
        Op::Jump => jumps::jump,
        Op::JumpBack => jumps::jump_back,
        Op::JumpTrue => jumps::jump_true,
        Op::JumpFalse => jumps::jump_false,
        Op::JumpNone => jumps::jump_none,
        Op::JumpNotNone => jumps::jump_not_none,
        Op::JumpLt => jumps::jump_lt,
        Op::JumpLe => jumps::jump_le,
        Op::JumpEq => jumps::jump_eq,
        Op::JumpNe => jumps::jump_ne,
        Op::JumpGt => jumps::jump_gt,
        Op::JumpGe => jumps::jump_ge,
        Op::JumpLtK => jumps::jump_lt_k,
        Op::JumpLeK => jumps::jump_le_k,
        Op::JumpEqK => jumps::jump_eq_k,
        Op::JumpNeK => jumps::jump_ne_k,
        Op::JumpGtK => jumps::jump_gt_k,
        Op::JumpGeK => jumps::jump_ge_k,
        Op::GetAttr => attrs::get_attr,
        Op::GetAttrLocal => attrs::get_attr_local,
        Op::GetAttrTemp => attrs::get_attr_temp,
        Op::GetAttrGlobal => attrs::get_attr_global,
        Op::SetAttr => attrs::set_attr,
        Op::DelAttr => attrs::del_attr,
        Op::LoadMethod => attrs::load_method,
        Op::LoadMethodLocal => attrs::load_method_local,
        Op::LoadMethodGlobal => attrs::load_method_global,
        Op::SuperAttr => attrs::super_attr,
        Op::SuperMethod => attrs::super_method,
        Op::LoadSpecial => attrs::load_special,
        Op::GetItem => items::get_item,
        Op::GetItemK => items::get_item_k,
        Op::SetItem => items::set_item,
        Op::DelItem => items::del_item,
        Op::BuildSlice => items::build_slice,
        Op::Call => calls::call,
        Op::CallMethod => calls::call_method,
        Op::CallKw => calls::call_kw,
        Op::CallEx => calls::call_ex,
        Op::Return => calls::return_,
        Op::ReturnK => calls::return_k,
        Op::ReturnGenerator => flow::return_generator,
        Op::Yield => generators::yield_,
        Op::Send => generators::send,
        Op::GetYieldFromIter => flow::get_yield_from_iter,
        Op::GetAwaitable => flow::get_awaitable,
        Op::GetAIter => flow::get_aiter,
        Op::GetANext => flow::get_anext,
        Op::EndAsyncFor => flow::end_async_for,
        Op::AsyncGenWrap => flow::async_gen_wrap,
        Op::GetIter => iteration::get_iter,
        Op::ForIter => iteration::for_iter,
        Op::UnpackSeq => iteration::unpack_seq,
        Op::UnpackEx => iteration::unpack_ex,
        Op::BuildTuple => items::build_tuple,
        Op::BuildList => items::build_list,
        Op::BuildSet => items::build_set,
        Op::BuildMap => items::build_map,
        Op::BuildString => items::build_string,
        Op::ListAppend => items::list_append,
        Op::SetAdd => items::set_add,
        Op::MapAdd => items::map_add,
        Op::MakeFunction => names::make_function,
        Op::MakeGenExpr => names::make_gen_expr,
        Op::Raise => flow::raise,
        Op::Reraise => flow::reraise_,
        Op::PushExc => flow::push_exc,
        Op::PopExc => flow::pop_exc,
        Op::ExcMatch => flow::exc_match,
        Op::MatchClass => flow::match_class,
        Op::ListExtend
        | Op::SetUpdate
        | Op::DictUpdate
        | Op::DictMerge
        | Op::ListToTuple
        | Op::Format
        | Op::BuildInterpolation
        | Op::BuildTemplate
        | Op::ImportName
        | Op::ImportFrom
        | Op::ImportStar
        | Op::LoadBuildClass
        | Op::SetupAnnotations
        | Op::CallIntrinsic
        | Op::ExcGroupMatch
        | Op::PrepReraiseStar
        | Op::WithExcept
        | Op::MatchMapping
        | Op::MatchSequence
        | Op::MatchKeys
        | Op::GetLen => flow::other,
    }
}
