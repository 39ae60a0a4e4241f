//! Source to expression, within bounds.

use super::stack::with_room;
use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr};
use cel::parser::PrattParser;
use wasi_ffi::FunctionError;

/// Bytes of a source. Four kibibytes.
pub const MAX_SOURCE: usize = 4 << 10;

/// Nodes of an expression: operators, names, literals. 1024.
pub const MAX_NODES: usize = 1024;

/// How deep an expression may be nested.
const MAX_DEPTH: usize = 32;

/// An expression that was read.
pub(super) struct Parsed {
    pub(super) expression: IdedExpr,
    /// How many levels of nodes it has.
    pub(super) depth: usize,
}

/// Reads an expression.
pub(super) fn parse(source: &str) -> Result<Parsed, FunctionError> {
    if source.len() > MAX_SOURCE {
        return Err(FunctionError::BadArgument(format!(
            "the expression has {} bytes; {MAX_SOURCE} are the most",
            source.len()
        )));
    }
    // Neither parsing nor dropping what came of it may take more stack than there is.
    with_room(|| parse_here(source))?.map_err(FunctionError::BadArgument)
}

fn parse_here(source: &str) -> Result<Parsed, String> {
    let parser = PrattParser::new()
        .max_recursion_depth(MAX_DEPTH as u16)
        .max_expression_node_count(MAX_NODES);
    let expression = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first().map(|error| error.msg.clone());
        format!("the expression is not CEL: {}", first.unwrap_or_default())
    })?;
    let mut nodes = 0;
    let depth = measure(&expression, MAX_DEPTH, &mut nodes)?;
    if nodes > MAX_NODES {
        return Err(format!(
            "the expression has {nodes} nodes; {MAX_NODES} are the most"
        ));
    }
    Ok(Parsed { expression, depth })
}

/// The levels of an expression; counts its nodes.
///
/// # Errors
/// It has more than `most` levels, or something that is not evaluated here.
fn measure(expression: &IdedExpr, most: usize, nodes: &mut usize) -> Result<usize, String> {
    let Some(below) = most.checked_sub(1) else {
        return Err(format!("the expression is nested deeper than {MAX_DEPTH}"));
    };
    match &expression.expr {
        Expr::Unspecified => return Err("the expression is incomplete".to_owned()),
        Expr::Struct(message) => {
            return Err(format!("there is no message type `{}`", message.type_name));
        }
        _ => {}
    }
    *nodes += 1;
    let mut depth = 0;
    for child in children(expression) {
        depth = depth.max(measure(child, below, nodes)?);
    }
    Ok(depth + 1)
}

/// What an expression is made of.
pub(super) fn children(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Comprehension(comprehension) => vec![
            &comprehension.iter_range,
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ],
    }
}
