//! What evaluating may cost.
//!
//! An expression is rewritten before it is kept: `@cost(value, work)` stands around what has to be paid for. It charges the work, and the
//! size of the value, and is the value. So each turn of a loop pays for the nodes of its body, and whatever an operator or function
//! takes time for is paid by the size of what it gets.

use cel::common::ast::operators::{
    ADD, CONDITIONAL, INDEX, LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR, NEGATE, NOT_STRICTLY_FALSE,
};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelString, DYN_TYPE, INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, IdedExpr};
use regex::RegexBuilder;
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

/// What one evaluation may cost: nodes that are evaluated and bytes that are looked at, together. 2^19, for which code that is built without
/// optimisation takes about half a second.
pub const WORK: u64 = 1 << 19;

/// The function that charges. No source can name it.
const COST: &str = "@cost";

/// What a regular expression costs, for each byte of it, beyond the text; and the memory that it may take.
const PATTERN_COST: u64 = 64;
const PATTERN_BYTES: usize = 256 << 10;

/// How deep lists and maps are looked into.
const MAX_DEPTH: usize = 64;

thread_local! {
    /// What the evaluation on this thread has left.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Evaluates, with [`WORK`] to spend.
///
/// # Errors
/// It was not enough, whatever came out.
pub(super) fn within_bounds<R>(evaluate: impl FnOnce() -> R) -> Result<R, String> {
    LEFT.set(WORK);
    let result = evaluate();
    match LEFT.get() {
        0 => Err(format!("the expression takes more than {WORK} steps")),
        _ => Ok(result),
    }
}

/// What expressions can use: the standard library, and what charges.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        if let Err(error) = declare(&mut env) {
            // Without what charges, no expression evaluates.
            tracing::error!(%error, "expressions cannot be evaluated");
        }
        Arc::new(env)
    });
    Arc::clone(&ENVIRONMENT)
}

fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(COST, "cost", vec![DYN_TYPE, INT_TYPE], |mut args| {
        let work = args.pop();
        let work = work.as_ref().and_then(|work| work.downcast_ref::<CelInt>());
        let work = work.map_or(1, |work| u64::try_from(*work.inner()).unwrap_or(1));
        let value = args.pop().ok_or_else(exhausted)?;
        charge(work)?;
        charge_for(&*value, MAX_DEPTH)?;
        Ok(value)
    })?;
    env.add_overload(
        "matches",
        "matches_string",
        vec![STRING_TYPE, STRING_TYPE],
        matches,
    )?;
    env.add_member_overload(
        "matches",
        "string_matches",
        STRING_TYPE,
        vec![STRING_TYPE],
        matches,
    )
}

/// `matches` of the standard library, with bounds for the pattern.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = |at: usize| args.get(at)?.downcast_ref::<CelString>();
    let (Some(text), Some(pattern)) = (text(0), text(1)) else {
        return Err(ExecutionError::function_error("matches", "it takes texts"));
    };
    let pattern = pattern.inner();
    charge((pattern.len() as u64).saturating_mul(PATTERN_COST))?;
    let regex = RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .nest_limit(32)
        .build()
        .map_err(|error| ExecutionError::function_error("matches", error))?;
    let is_match = regex.is_match(text.inner());
    Ok(CowVal::owned(cel::common::types::CelBool::from(is_match)))
}

fn exhausted() -> ExecutionError {
    ExecutionError::function_error(COST, "it takes too long")
}

fn charge(work: u64) -> Result<(), ExecutionError> {
    let left = LEFT.get().saturating_sub(work);
    LEFT.set(left);
    match left {
        0 => Err(exhausted()),
        _ => Ok(()),
    }
}

/// Charges the size of a value.
fn charge_for(value: &(dyn Val + '_), depth: usize) -> Result<(), ExecutionError> {
    let depth = depth.checked_sub(1).ok_or_else(exhausted)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        charge(1 + text.inner().len() as u64)
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        charge(1 + bytes.inner().len() as u64)
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        charge(1)?;
        list.inner()
            .iter()
            .try_for_each(|element| charge_for(&**element, depth))
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        charge(1)?;
        map.inner().iter().try_for_each(|(key, value)| {
            charge_for(key.inner(), depth)?;
            charge_for(&**value, depth)
        })
    } else {
        charge(1)
    }
}

/// The expression, such that evaluating it pays.
pub(super) fn metered(expression: IdedExpr) -> IdedExpr {
    let (expression, nodes) = rewrite(expression);
    cost(expression, nodes)
}

/// Rewrites an expression. Returns it and how many nodes it had.
fn rewrite(IdedExpr { id, expr }: IdedExpr) -> (IdedExpr, i64) {
    let mut nodes = 1;
    let mut inner = |child: IdedExpr| {
        let (child, of_child) = rewrite(child);
        nodes += of_child;
        child
    };
    let expr = match expr {
        Expr::Call(call) => {
            let target = call.target.map(|target| Box::new(inner(*target)));
            let args = call.args.into_iter().map(&mut inner).collect();
            Expr::Call(pay_for_arguments(CallExpr { target, args, ..call }))
        }
        Expr::List(mut list) => {
            let elements = list.elements.into_iter();
            list.elements = elements.map(|element| pay(inner(element))).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = pay(inner(std::mem::take(&mut entry.key)));
                    entry.value = pay(inner(std::mem::take(&mut entry.value)));
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(inner(*select.operand));
            Expr::Select(select)
        }
        Expr::Comprehension(comprehension) => {
            let (comprehension, of_loop) = rewrite_loop(*comprehension);
            nodes += of_loop;
            Expr::Comprehension(Box::new(comprehension))
        }
        leaf @ (Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_)) => leaf,
    };
    (IdedExpr { id, expr }, nodes)
}

/// Operators that take the same time whatever they get. All others, and functions, pay for what they get.
fn pay_for_arguments(mut call: CallExpr) -> CallExpr {
    const FREE: [&str; 6] = [
        CONDITIONAL,
        LOGICAL_AND,
        LOGICAL_OR,
        LOGICAL_NOT,
        NEGATE,
        NOT_STRICTLY_FALSE,
    ];
    if call.func_name == INDEX {
        // What is looked into stays where it is, but a key is looked at as a whole.
        call.args = match <[IdedExpr; 2]>::try_from(call.args) {
            Ok([operand, key]) => vec![operand, pay(key)],
            Err(args) => args.into_iter().map(pay).collect(),
        };
    } else if !FREE.contains(&call.func_name.as_str()) && !appends(&call) {
        call.args = call.args.into_iter().map(pay).collect();
        call.target = call.target.map(|target| match qualifies(&target) {
            // It may be the name of a function, in part, and is short.
            true => target,
            false => Box::new(pay(*target)),
        });
    }
    call
}

/// Whether a call is the step of `map` and `filter`: they are evaluated without a copy of what they have so far, if it looks as it does.
fn appends(call: &CallExpr) -> bool {
    let is_result = |arg: &IdedExpr| matches!(&arg.expr, Expr::Ident(name) if name.starts_with('@'));
    let is_list = |arg: &IdedExpr| matches!(arg.expr, Expr::List(_));
    call.func_name == ADD
        && matches!(call.args.as_slice(), [left, right] if is_result(left) && is_list(right))
}

/// Whether the target of a call could be the first part of the name of a function: `optional.of` is one.
fn qualifies(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if name == "optional")
}

fn rewrite_loop(mut comprehension: ComprehensionExpr) -> (ComprehensionExpr, i64) {
    let mut nodes = 0;
    let mut inner = |child: &mut IdedExpr| {
        let (child, of_child) = rewrite(std::mem::take(child));
        nodes += of_child;
        (child, of_child)
    };
    comprehension.iter_range = pay(inner(&mut comprehension.iter_range).0);
    comprehension.accu_init = inner(&mut comprehension.accu_init).0;
    let (condition, of_condition) = inner(&mut comprehension.loop_cond);
    comprehension.loop_cond = condition;
    let (step, of_step) = inner(&mut comprehension.loop_step);
    comprehension.loop_step = pay_for_turn(step, of_condition + of_step);
    comprehension.result = inner(&mut comprehension.result).0;
    (comprehension, nodes)
}

/// The step of a loop, which pays for a turn. The steps of the standard macros keep their form, by which they are known when they are
/// evaluated: what a plugin has written in them pays.
fn pay_for_turn(IdedExpr { id, mut expr }: IdedExpr, nodes: i64) -> IdedExpr {
    let place = match &mut expr {
        Expr::Call(call) => {
            let append = appends(call);
            match (call.func_name.as_str(), call.args.as_mut_slice()) {
                (LOGICAL_AND | LOGICAL_OR, [_, written]) => Some(written),
                (CONDITIONAL, [condition, ..]) => Some(condition),
                (ADD, [_, list]) if append => match &mut list.expr {
                    Expr::List(list) => list.elements.first_mut(),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    };
    match place {
        Some(place) => {
            *place = cost(std::mem::take(place), nodes);
            IdedExpr { id, expr }
        }
        None => cost(IdedExpr { id, expr }, nodes),
    }
}

/// What pays for its size, where that is not known to be small.
fn pay(expression: IdedExpr) -> IdedExpr {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(_) | LiteralValue::Bytes(_)) => cost(expression, 1),
        Expr::Literal(_) => expression,
        Expr::Call(call) if call.func_name == COST => expression,
        _ => cost(expression, 1),
    }
}

fn cost(expression: IdedExpr, work: i64) -> IdedExpr {
    let id = expression.id;
    let work = IdedExpr {
        id,
        expr: Expr::Literal(LiteralValue::Int(work.into())),
    };
    IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: COST.to_owned(),
            target: None,
            args: vec![expression, work],
        }),
    }
}
