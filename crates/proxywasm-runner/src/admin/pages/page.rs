//! `/`: the page for people. It is one file, and shows what the other pages tell.

use crate::admin::answer::{Answer, typed};
use crate::admin::router::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

const PAGE: &str = include_str!("page.html");

pub(super) fn show(_: &Call) -> Answer {
    static POLICY: OnceLock<String> = OnceLock::new();
    let mut page = typed(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    // Without a policy of its own nothing in it is run, which is safe.
    if let Ok(policy) = HeaderValue::from_str(POLICY.get_or_init(policy)) {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    page
}

/// What a browser may run and load: the style and the script that are in the page, by their hashes, and the other pages of this address.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        hash("style"),
        hash("script")
    )
}

/// The hash of what is in an element, which is there once.
fn hash(element: &str) -> String {
    let inside = PAGE
        .split_once(&format!("<{element}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let content = inside.map_or("", |(content, _)| content);
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere() {
        for element in ["style", "script"] {
            assert_eq!(PAGE.matches(&format!("<{element}>")).count(), 1);
            assert_eq!(PAGE.matches(&format!("</{element}>")).count(), 1);
        }
        for forbidden in [
            "https://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            " style=",
            "onclick=",
            "src=",
        ] {
            assert!(!PAGE.contains(forbidden), "{forbidden} is in the page");
        }
        // The name of what SVG is, which nobody loads.
        assert_eq!(PAGE.matches("http://").count(), 1);
        assert!(policy().contains("script-src 'sha256-"));
    }
}
