//! Modules in images of registries, by the distribution specification of OCI.
//!
//! A reader of its own, for it asks for two kinds of documents only, and each is bounded here: in size, in time, in where it may be sent.

mod layer;
mod manifest;
mod registry;

use super::client::Client;
use super::{FetchError, Fetched, credentials};
use crate::code::{FetchSettings, ImageReference, PluginSource};
use manifest::{Document, Layout};
use registry::Registry;

/// Of a manifest; registries refuse larger ones.
const MANIFEST_BYTES: usize = 4 << 20;

/// Fetches the module of an image, unless its manifest has this digest.
pub(super) async fn pull(
    client: &Client,
    source: &PluginSource,
    image: &ImageReference,
    settings: &FetchSettings,
    known: Option<&str>,
) -> Result<Fetched, FetchError> {
    let no_plugin = |reason: String| FetchError::Image {
        place: source.source.clone(),
        reason,
    };
    let identity = credentials::for_registry(source, image, settings)?;
    let mut registry = Registry::new(client, source, image, identity);
    let content = registry.manifest(image.tag_or_digest(), image.digest()).await?;
    let digest = content.digest.clone();
    if known == Some(digest.as_str()) {
        return Ok(Fetched::Unchanged);
    }
    let document = Document::read(&content.bytes, &content.media_type).map_err(no_plugin)?;
    let manifest = match document {
        Document::Manifest(manifest) => manifest,
        Document::Index(index) => {
            let chosen = index.choose().map_err(no_plugin)?;
            let content = registry.manifest(chosen, Some(chosen)).await?;
            match Document::read(&content.bytes, &content.media_type).map_err(no_plugin)? {
                Document::Manifest(manifest) => manifest,
                Document::Index(_) => return Err(no_plugin("its index leads to another index".to_owned())),
            }
        }
    };
    let limit = client.limit();
    let code = match manifest.layout().map_err(no_plugin)? {
        Layout::Module(layer) => registry.blob(layer).await?,
        Layout::Files(layers) => {
            let mut found = None;
            // What a later layer has is in the place of what an earlier one has.
            for descriptor in layers.iter().rev() {
                let content = registry.blob(descriptor).await?;
                found =
                    layer::plugin_of(&content, limit).map_err(|problem| problem.of(&source.source, limit))?;
                if found.is_some() {
                    break;
                }
            }
            found.ok_or_else(|| no_plugin("none of its layers has a file `plugin.wasm`".to_owned()))?
        }
    };
    Ok(Fetched::New {
        code,
        validator: Some(digest),
    })
}

/// A document and what it is, as the registry says.
struct Received {
    bytes: Vec<u8>,
    media_type: String,
    digest: String,
}
