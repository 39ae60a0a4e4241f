//! `/help`: which pages there are.

use super::PAGES;
use crate::admin::answer::{Answer, text};
use crate::admin::router::Call;
use http::StatusCode;
use std::fmt::Write;

pub(super) fn show(_: &Call) -> Answer {
    let lines = PAGES
        .iter()
        .map(|page| (format!("{} {}", page.method, page.path), page.about));
    let width = PAGES.iter().map(|page| page.path.len()).max().unwrap_or(0) + "POST ".len();
    let mut list = String::new();
    for (page, about) in lines {
        // Writing to a string does not fail.
        let _ = writeln!(list, "{page:width$}  {about}");
    }
    text(StatusCode::OK, list)
}
