//! `expr_create`, `expr_evaluate` and `expr_delete`: expressions in CEL over the properties of the caller.
//!
//! An expression comes from a plugin, so nothing it says may cost more than a bounded amount of anything:
//!
//! - *parsing* ([`parse`]) happens on a stack of its own ([`stack`]), which is large enough for the deepest nesting that a bounded source
//!   can have; what comes of it is bounded in depth and in nodes; so does evaluating what is deep;
//! - *evaluating* is paid for ([`meter`]): the parsed expression is rewritten so that each loop pays for its body, and each operator
//!   and function for the size of what it gets. What cannot pay fails.

mod meter;
mod parse;
mod references;
mod stack;
mod values;

pub use meter::WORK;
pub use parse::{MAX_NODES, MAX_SOURCE};

use crate::argument;
use bytes::Bytes;
use cel::{Context, IdedExpr, Value};
use parse::Parsed;
use references::Reference;
use std::collections::BTreeMap;
use wasi_common::{PropertyPath, PropertyValue};
use wasi_ffi::{CallContext, FunctionError};

/// Levels of nodes that are evaluated on the stack at hand: most expressions have no more. Each takes some kibibytes of it.
const LEVELS_AT_HAND: usize = 10;

/// Expressions that a plugin can have.
pub const MAX_EXPRESSIONS: usize = 256;

/// The expressions of a plugin.
#[derive(Default)]
struct Expressions {
    by_number: BTreeMap<u32, Expression>,
    last: u32,
}

struct Expression {
    expression: IdedExpr,
    /// Whether it is so deep that it is evaluated on a stack of its own.
    is_deep: bool,
    references: Vec<Reference>,
}

/// Reads an expression and returns the number by which it is evaluated, 4 bytes, little-endian. It belongs to the plugin, in this
/// instance.
///
/// # Errors
/// It is no CEL, or longer than [`MAX_SOURCE`], or too deep or large; or the plugin has [`MAX_EXPRESSIONS`].
pub fn expr_create(call: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let source = std::str::from_utf8(argument(parameters)?)
        .map_err(|_| FunctionError::BadArgument("the expression is not UTF-8".to_owned()))?;
    let limit = MAX_EXPRESSIONS.min(call.plugin.limits.handles);
    let expressions = call.state::<Expressions>();
    if expressions.by_number.len() >= limit {
        let why = format!("the plugin has {limit} expressions, which is the most");
        return Err(FunctionError::Unavailable(why));
    }
    let Parsed { expression, depth } = parse::parse(source)?;
    let number = expressions.next_number();
    expressions.by_number.insert(
        number,
        Expression {
            references: references::of(&expression),
            expression: meter::metered(expression),
            is_deep: depth > LEVELS_AT_HAND,
        },
    );
    Ok(vec![Bytes::copy_from_slice(&number.to_le_bytes())])
}

/// Evaluates an expression by its number, for the context of the call, and returns the value in the form in which properties have theirs.
///
/// # Errors
/// There is no such expression; it names what there is not, or applies something to what it does not apply to; it takes more than
/// [`WORK`]; its value is of a type that plugins cannot read.
pub fn expr_evaluate(call: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let number = number(parameters)?;
    let unknown = || FunctionError::NotFound(format!("the expression {number}"));
    // The properties are the caller's, whose expression stays where it is meanwhile.
    let references = {
        let expression = call.state::<Expressions>().by_number.get(&number);
        expression.ok_or_else(unknown)?.references.clone()
    };
    let known: Vec<(String, PropertyValue)> = references
        .iter()
        .filter_map(|reference| Some((reference.root().to_owned(), look_up(call, reference)?)))
        .collect();
    let mut context = Context::with_env(meter::environment());
    for (root, value) in known {
        let value = values::to_cel(value);
        if let Ok(value) = value.try_into() {
            context.add_variable_as_val(root, value);
        }
    }
    let expressions = call.state::<Expressions>();
    let expression = expressions.by_number.get(&number).ok_or_else(unknown)?;
    let evaluate = || {
        let evaluated = meter::within_bounds(|| Value::resolve(&expression.expression, &context));
        let value = evaluated.map_err(FunctionError::Unavailable)?;
        let value = value.map_err(|error| FunctionError::Failed(shortened(error.to_string())))?;
        values::to_bytes(&value)
    };
    let bytes = match expression.is_deep {
        true => stack::with_room(evaluate)?,
        false => evaluate(),
    };
    bytes.map(|bytes| vec![bytes.into()])
}

/// Forgets an expression. There need not be one.
///
/// # Errors
/// The argument is no number.
pub fn expr_delete(call: &mut CallContext<'_>, parameters: &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> {
    let number = number(parameters)?;
    call.state::<Expressions>().by_number.remove(&number);
    Ok(Vec::new())
}

fn number(parameters: &[&[u8]]) -> Result<u32, FunctionError> {
    let bytes = argument(parameters)?.try_into();
    bytes
        .map(u32::from_le_bytes)
        .map_err(|_| FunctionError::BadArgument("the number of an expression has 4 bytes".to_owned()))
}

/// The properties that an expression names by one first segment.
fn look_up(call: &mut CallContext<'_>, reference: &Reference) -> Option<PropertyValue> {
    match reference {
        Reference::Whole(root) => call.property(PropertyPath::new(root.as_bytes())).ok(),
        Reference::Members(root, names) => {
            let member = |name: &String| {
                let path = [root.as_bytes(), name.as_bytes()].join(&0);
                let value = call.property(PropertyPath::new(&path)).ok()?;
                Some((name.as_bytes().to_vec(), value))
            };
            Some(PropertyValue::Struct(names.iter().filter_map(member).collect()))
        }
    }
}

/// The begin of a message, which may hold values.
fn shortened(mut message: String) -> String {
    const LONGEST: usize = 200;
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push_str("...");
    }
    message
}

// === impl Expressions ===

impl Expressions {
    fn next_number(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.by_number.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}
