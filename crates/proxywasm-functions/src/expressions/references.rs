//! Which properties an expression names.

use super::parse::children;
use cel::IdedExpr;
use cel::common::ast::operators::INDEX;
use cel::common::ast::{Expr, LiteralValue};
use std::collections::{BTreeMap, BTreeSet};
use wasi_common::property::members;

/// Properties with one first segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// All of it, or the property which it is.
    Whole(String),
    /// Some of its members.
    Members(String, Vec<String>),
}

/// First segments with members that no catalogue can list.
const OPEN: [&str; 1] = ["filter_state"];

/// The properties that an expression names. Names of its own variables are among them, which does no harm.
pub(super) fn of(expression: &IdedExpr) -> Vec<Reference> {
    let mut found = BTreeMap::new();
    collect(expression, &mut found);
    let references = found.into_iter().map(|(root, names)| match names {
        Some(names) => Reference::Members(root, names.into_iter().collect()),
        None => Reference::Whole(root),
    });
    references.collect()
}

/// By first segment the members that are named, or none where all are meant.
type Found = BTreeMap<String, Option<BTreeSet<String>>>;

fn collect(expression: &IdedExpr, found: &mut Found) {
    if let Some((root, name)) = member(expression) {
        let names = found
            .entry(root.to_owned())
            .or_insert_with(|| Some(BTreeSet::new()));
        if let Some(names) = names {
            names.insert(name.to_owned());
        }
        return;
    }
    if let Expr::Ident(name) = &expression.expr {
        found.insert(name.clone(), None);
    }
    children(expression)
        .into_iter()
        .for_each(|child| collect(child, found));
}

/// `request.path` and `request['path']`, of a first segment that has members.
fn member(expression: &IdedExpr) -> Option<(&str, &str)> {
    let (operand, name) = match &expression.expr {
        Expr::Select(select) => (&*select.operand, select.field.as_str()),
        Expr::Call(call) if call.func_name == INDEX => match call.args.as_slice() {
            [operand, index] => match &index.expr {
                Expr::Literal(LiteralValue::String(name)) => (operand, name.inner()),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    let Expr::Ident(root) = &operand.expr else {
        return None;
    };
    let has_members = OPEN.contains(&root.as_str()) || members(root.as_bytes()).next().is_some();
    has_members.then_some((root, name))
}

impl Reference {
    /// The first segment.
    pub(super) fn root(&self) -> &str {
        match self {
            Self::Whole(root) | Self::Members(root, _) => root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expressions::parse::parse;

    #[test]
    fn named() {
        let members = |root: &str, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            Reference::Members(root.to_owned(), names.collect())
        };
        let whole = |root: &str| Reference::Whole(root.to_owned());
        let table = [
            ("1 + 1", vec![]),
            ("request.path == '/'", vec![members("request", &["path"])]),
            (
                "request['method'] + request.headers['x'] + request.headers.y",
                vec![members("request", &["headers", "method"])],
            ),
            ("has(response.code)", vec![members("response", &["code"])]),
            ("request[mine]", vec![whole("mine"), whole("request")]),
            ("size(request) + int(request.path)", vec![whole("request")]),
            ("plugin_name", vec![whole("plugin_name")]),
            ("xds.node.id", vec![whole("xds")]),
            (
                "filter_state['wasm.mine']",
                vec![members("filter_state", &["wasm.mine"])],
            ),
            (
                "[1].all(x, x < source.port)",
                vec![whole("@result"), members("source", &["port"]), whole("x")],
            ),
        ];
        for (source, expected) in table {
            let found = of(&parse(source).unwrap().expression);
            assert_eq!(found, expected, "{source}");
        }
    }
}
