//! Code in images of registries.

use super::{Kept, expect, fetch, settings, source};
use proxywasm_runner::{FetchSettings, Sha256};
use proxywasm_tests::harness::{Authority, Registry, tar_gz};
use serde_json::json;

const CODE: &[u8] = b"\0asm, so to say";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

#[test]
fn layouts() {
    let authority = Authority::new();
    let registry = Registry::start(&authority);
    let layer = || tar_gz(&[("plugin.wasm", CODE)]);
    let large = || tar_gz(&[("plugin.wasm", &[0; 200_000])]);
    let readme = || tar_gz(&[("README", b"x")]);
    let image = "application/vnd.oci.image.config.v1+json";
    // Type of the config; the layers; what is found.
    type Row<'a> = (
        &'a str,
        &'a str,
        Vec<(&'a str, Vec<u8>)>,
        Result<&'a [u8], &'a [&'a str]>,
    );
    let table: Vec<Row<'_>> = vec![
        ("compat", image, vec![(OCI_LAYER, layer())], Ok(CODE)),
        (
            "docker",
            "application/vnd.docker.container.image.v1+json",
            vec![(DOCKER_LAYER, layer())],
            Ok(CODE),
        ),
        (
            "two-layers",
            image,
            vec![(OCI_LAYER, layer()), (OCI_LAYER, readme())],
            Ok(CODE),
        ),
        (
            "replaced",
            image,
            vec![
                (OCI_LAYER, tar_gz(&[("plugin.wasm", b"old")])),
                (OCI_LAYER, layer()),
            ],
            Ok(CODE),
        ),
        (
            "artifact",
            "application/vnd.module.wasm.config.v1+json",
            vec![
                ("application/vnd.module.wasm.content.layer.v1+wasm", CODE.to_vec()),
                (
                    "application/vnd.module.wasm.runtime.config.v1+json",
                    b"{}".to_vec(),
                ),
            ],
            Ok(CODE),
        ),
        (
            "wasm-to-oci",
            "application/vnd.wasm.config.v1+json",
            vec![("application/vnd.wasm.content.layer.v1+wasm", CODE.to_vec())],
            Ok(CODE),
        ),
        (
            "cncf",
            "application/vnd.wasm.config.v0+json",
            vec![("application/wasm", CODE.to_vec())],
            Ok(CODE),
        ),
        (
            "no-plugin",
            image,
            vec![(OCI_LAYER, readme())],
            Err(&["has a file `plugin.wasm`"]),
        ),
        (
            "two-modules",
            image,
            vec![
                ("application/wasm", CODE.to_vec()),
                ("application/wasm", b"other".to_vec()),
            ],
            Err(&["2 of its layers are modules"]),
        ),
        (
            "no-archive",
            image,
            vec![(OCI_LAYER, CODE.to_vec())],
            Err(&["no archive"]),
        ),
        ("nothing", image, vec![], Err(&["none of its layers is a module"])),
        (
            "other",
            image,
            vec![("application/x-other", CODE.to_vec())],
            Err(&["none of its layers", "application/x-other"]),
        ),
        (
            "bomb",
            image,
            vec![(OCI_LAYER, large())],
            Err(&["more than 100000 bytes"]),
        ),
        (
            "large",
            image,
            vec![("application/wasm", vec![0; 200_000])],
            Err(&["more than 100000 bytes"]),
        ),
    ];
    let settings = FetchSettings {
        code_bytes: 100_000,
        ..settings()
    };
    for (name, config, layers, expected) in table {
        let digest = registry.push(name, "v1", config, &layers);
        for rest in [format!("{name}:v1"), format!("{name}@{digest}")] {
            let place = format!("oci://{}", registry.reference(&rest));
            expect(&rest, fetch(&source(&place, &authority), &settings), expected);
        }
    }
}

#[test]
fn documents() {
    let authority = Authority::new();
    let registry = Registry::start(&authority);
    let module = registry.blob("p", "application/wasm", CODE);
    let other = registry.blob("p", "application/wasm", b"other");
    let manifest = |layer| json!({ "schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer] });
    let digest = registry.document("p", "right", MANIFEST, &manifest(&module));
    let other = registry.document("p", "other", MANIFEST, &manifest(&other));
    let of = |digest: &str, os: &str, architecture: &str| json!({ "digest": digest, "mediaType": MANIFEST, "platform": { "os": os, "architecture": architecture } });
    let index = |manifests| json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let entries = json!([of(&other, "plan9", "mips"), of(&digest, "wasip1", "wasm")]);
    registry.document("p", "index", INDEX, &index(entries));
    let nested = registry.document("p", "few", INDEX, &index(json!([of(&digest, "plan9", "mips")])));
    registry.document("p", "nested", INDEX, &index(json!([of(&nested, "wasi", "wasm")])));
    let foreign = json!([of(&digest, "plan9", "mips"), of(&other, "plan9", "arm")]);
    registry.document("p", "foreign", INDEX, &index(foreign));
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let entries = json!({ "schemaVersion": 2, "manifests": [of(&digest, "linux", "wasm32")] });
    registry.document("p", "list", list, &entries);
    let plain = json!({ "schemaVersion": 2, "layers": [&module] });
    registry.document("p", "docker", DOCKER, &plain);
    registry.document(
        "p",
        "first",
        MANIFEST,
        &json!({ "schemaVersion": 1, "layers": [&module] }),
    );
    registry.put("/v2/p/manifests/page", "text/html", b"<html>");
    let absent = json!({ "mediaType": "application/wasm", "digest": format!("sha256:{}", "0".repeat(64)) });
    registry.document("p", "absent", MANIFEST, &manifest(&absent));
    let weak = json!({ "mediaType": "application/wasm", "digest": "md5:0" });
    registry.document("p", "weak", MANIFEST, &manifest(&weak));
    let path = format!("/v2/p/manifests/sha256:{}", "1".repeat(64));
    registry.put(&path, MANIFEST, manifest(&module).to_string().as_bytes());
    let swapped = registry.blob("p", "application/wasm", b"swapped");
    let path = format!("/v2/p/blobs/{}", swapped["digest"].as_str().unwrap());
    registry.put(&path, "application/wasm", CODE);
    registry.document("p", "swapped", MANIFEST, &manifest(&swapped));

    let by_digest = format!("p@sha256:{}", "1".repeat(64));
    let table: &[(&str, Result<&[u8], &[&str]>)] = &[
        ("p:right", Ok(CODE)),
        ("p:index", Ok(CODE)),
        ("p:few", Ok(CODE)),
        ("p:list", Ok(CODE)),
        ("p:docker", Ok(CODE)),
        ("p:nested", Err(&["leads to another index"])),
        ("p:foreign", Err(&["plan9/mips, plan9/arm"])),
        ("p:first", Err(&["not of version 2"])),
        ("p:page", Err(&["cannot be read"])),
        ("p:absent", Err(&["404"])),
        ("p:weak", Err(&["md5:0"])),
        (
            "p:swapped",
            Err(&["its layer has the digest", swapped["digest"].as_str().unwrap()]),
        ),
        ("p", Err(&["404"])),
        ("q:right", Err(&["404"])),
        (&by_digest, Err(&["its manifest has the digest", &digest, "1111"])),
    ];
    for (rest, expected) in table {
        let place = format!("oci://{}", registry.reference(rest));
        let found = fetch(&source(&place, &authority), &settings());
        if let Err(error) = &found {
            assert!(error.contains(&place), "{error}");
        }
        expect(rest, found, *expected);
    }
}

#[test]
fn what_is_asked_again() {
    let authority = Authority::new();
    let mut registry = Registry::start(&authority);
    let kept = Kept::new();
    let config = "application/vnd.wasm.config.v0+json";
    let digest = registry.push("p", "v1", config, &[("application/wasm", CODE.to_vec())]);
    let by_tag = source(&format!("oci://{}", registry.reference("p:v1")), &authority);
    let by_digest = source(
        &format!("oci://{}", registry.reference(&format!("p@{digest}"))),
        &authority,
    );
    let mut pinned = by_tag.clone();
    pinned.sha256 = Some(Sha256::of(CODE));

    expect("tag", fetch(&by_tag, &kept.settings()), Ok(CODE));
    expect("digest", fetch(&by_digest, &kept.settings()), Ok(CODE));
    registry.requests();
    let manifest = "/v2/p/manifests/v1".to_owned();
    for (what, source, asked) in [
        ("tag", &by_tag, vec![manifest.clone()]),
        ("digest", &by_digest, vec![]),
        ("pinned", &pinned, vec![]),
    ] {
        expect(what, fetch(source, &kept.settings()), Ok(CODE));
        assert_eq!(registry.requests(), asked, "{what}");
    }

    // The tag is of another image from now on.
    registry.push("p", "v1", config, &[("application/wasm", b"new".to_vec())]);
    expect("tag", fetch(&by_tag, &kept.settings()), Ok(b"new"));
    assert_eq!(registry.requests().len(), 2, "manifest and layer");
    expect("digest", fetch(&by_digest, &kept.settings()), Ok(CODE));
    expect("pinned", fetch(&pinned, &kept.settings()), Ok(CODE));
    assert!(registry.requests().is_empty());
    let refused = fetch(&pinned, &settings());
    let (found, expected) = (Sha256::of(b"new").to_string(), Sha256::of(CODE).to_string());
    expect("pinned, nothing kept", refused, Err(&[&found, &expected]));

    registry.stop();
    for (what, source, expected) in [
        ("tag", &by_tag, &b"new"[..]),
        ("digest", &by_digest, CODE),
        ("pinned", &pinned, CODE),
    ] {
        expect(what, fetch(source, &kept.settings()), Ok(expected));
    }
}
