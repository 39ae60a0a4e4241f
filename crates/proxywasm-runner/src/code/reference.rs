//! References to images in registries.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// An image in a registry: `HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`. Without tag and digest, the tag is `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// A text refers to no image.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` refers to no image: {reason}; write `HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

const DOCKER_HUB: &str = "docker.io";

// === impl ImageReference ===

impl ImageReference {
    /// The name of the registry, with its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host that serves the registry. That of Docker Hub has another name.
    pub fn server(&self) -> &str {
        match self.registry.as_str() {
            DOCKER_HUB => "registry-1.docker.io",
            registry => registry,
        }
    }

    /// The name of the repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What is asked for: the digest, or else the tag.
    pub fn tag_or_digest(&self) -> &str {
        let tag = || self.tag.as_deref().unwrap_or("latest");
        self.digest.as_deref().unwrap_or_else(tag)
    }

    /// The digest, without which it may be another image tomorrow.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let error = |reason| ReferenceError {
            text: text.to_owned(),
            reason,
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(error(
                "its digest is no `sha256:` with 64 lowercase hexadecimal digits",
            ));
        }
        let (registry, path) = name
            .split_once('/')
            .ok_or_else(|| error("it names no registry"))?;
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(error("it names no registry; that of Docker Hub is `docker.io`"));
        }
        let of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if registry.starts_with(':') || !registry.bytes().all(of_host) {
            return Err(error("its registry is no host"));
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(error("its tag is none"));
        }
        if !repository.split('/').all(is_component) {
            return Err(error(
                "its repository has other than lowercase letters, digits and `.`, `-`, `_` between them",
            ));
        }
        let repository = match registry == DOCKER_HUB && !repository.contains('/') {
            true => format!("library/{repository}"),
            false => repository.to_owned(),
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Whether it is a digest of the one kind that is checked here.
pub(super) fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(text: &str) -> bool {
    let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !text.starts_with(['.', '-']) && (1..=128).contains(&text.len()) && text.bytes().all(of_tag)
}

fn is_component(text: &str) -> bool {
    let of_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.iter().all(|end| end.is_some_and(of_word))
        && text.bytes().all(|byte| of_word(byte) || b"._-".contains(&byte))
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let by_digest = format!("a.test/p@{digest}");
        let by_both = format!("a.test/p:1@{digest}");
        // Server, repository, tag or digest.
        let table = [
            ("a.test/p", Some(("a.test", "p", "latest"))),
            ("a.test:5000/q/p:1.0", Some(("a.test:5000", "q/p", "1.0"))),
            ("localhost/p:V_1", Some(("localhost", "p", "V_1"))),
            (
                "docker.io/p",
                Some(("registry-1.docker.io", "library/p", "latest")),
            ),
            ("docker.io/q/p", Some(("registry-1.docker.io", "q/p", "latest"))),
            ("[::1]:5000/p", Some(("[::1]:5000", "p", "latest"))),
            (&by_digest, Some(("a.test", "p", &digest))),
            (&by_both, Some(("a.test", "p", &digest))),
            ("a.test", None),
            ("a.test/", None),
            ("q/p", None),
            ("a.test/P", None),
            ("a.test/../p", None),
            ("a.test/q//p", None),
            ("a.test/p:", None),
            ("a.test/p:-1", None),
            ("a.test/p:1?x", None),
            ("a.test/p?x", None),
            ("user@a.test/p", None),
            ("a.test/p@sha256:0f", None),
            ("a.test/p@md5:0f", None),
        ];
        for (text, expected) in table {
            let reference: Option<ImageReference> = text.parse().ok();
            let parts = reference
                .as_ref()
                .map(|image| (image.server(), image.repository(), image.tag_or_digest()));
            assert_eq!(parts, expected, "{text}");
            if let Some(reference) = reference.filter(|_| !text.starts_with("docker.io/p")) {
                assert_eq!(reference.to_string(), text);
            }
        }
    }
}
