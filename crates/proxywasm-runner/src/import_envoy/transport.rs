//! TLS, on both sides.

use super::any::{Typed, unpack};
use super::node::{Fields, Node};
use super::output::{Certificate, ClientTls, ServerTls};

/// What both sides have.
#[derive(Default)]
struct Common {
    certificates: Vec<Certificate>,
    authorities: Option<String>,
    minimum_version: Option<&'static str>,
}

/// TLS to the servers of a cluster.
pub(super) fn to_upstream(cluster: &mut Fields) -> Option<ClientTls> {
    let mut context = context(cluster.take("transport_socket")?, ".UpstreamTlsContext")?;
    let server_name = context.text("sni");
    let common = common(&mut context);
    if common.authorities.is_none() {
        context.note(
            "no file of authorities is given, so certificates are verified by those that the system trusts: they are never not verified here",
        );
    }
    let mut certificates = common.certificates.into_iter();
    Some(ClientTls {
        ca: common.authorities,
        server_name,
        client_certificate: certificates.next(),
        minimum_version: common.minimum_version,
    })
}

/// TLS of the clients of a filter chain.
pub(super) fn of_clients(chain: &mut Fields) -> Option<ServerTls> {
    let mut context = context(chain.take("transport_socket")?, ".DownstreamTlsContext")?;
    let required = context.flag("require_client_certificate") == Some(true);
    let common = common(&mut context);
    if common.certificates.is_empty() {
        context.note("it has no certificate in a file, so connections are taken without TLS");
        return None;
    }
    let client_certificates = match (&common.authorities, required) {
        (None, _) => None,
        (Some(_), true) => Some("required"),
        (Some(_), false) => Some("optional"),
    };
    Some(ServerTls {
        certificates: common.certificates,
        client_certificates,
        client_ca: common.authorities,
        minimum_version: common.minimum_version,
    })
}

/// The settings of a transport socket, if it is one of TLS.
fn context(node: Node, expected: &str) -> Option<Fields> {
    let mut socket = node.fields()?;
    socket.skip("name");
    let Some(config) = socket.take("typed_config") else {
        socket
            .into_node()
            .leave_out("it has no `typed_config`, and there is no TLS");
        return None;
    };
    let Typed { kind, message } = unpack(config)?;
    if kind.ends_with(expected) {
        return Some(message);
    }
    let node = message.into_node();
    match kind.ends_with(".RawBuffer") {
        true => node.used(),
        false => node.leave_out(format_args!(
            "there is no transport of type `{kind}`, so there is no TLS"
        )),
    }
    None
}

fn common(context: &mut Fields) -> Common {
    let Some(mut fields) = context.fields("common_tls_context") else {
        return Common::default();
    };
    let mut common = Common::default();
    for certificate in fields.items("tls_certificates") {
        let Some(mut certificate) = certificate.fields() else {
            continue;
        };
        let (chain, key) = (
            file(&mut certificate, "certificate_chain"),
            file(&mut certificate, "private_key"),
        );
        match (chain, key) {
            (Some(certificate), Some(key)) => common.certificates.push(Certificate { certificate, key }),
            _ => certificate.note("only certificates with their keys in files are imported"),
        }
    }
    if let Some(mut validation) = fields.fields("validation_context") {
        common.authorities = file(&mut validation, "trusted_ca");
    }
    if let Some(mut params) = fields.fields("tls_params")
        && let Some(version) = params.take("tls_minimum_protocol_version")
    {
        match version.value().as_str() {
            Some("TLSv1_3") => common.minimum_version = Some("1.3"),
            Some("TLSv1_2" | "TLS_AUTO") => {}
            _ => return with_left_out(common, version),
        }
        version.used();
    }
    // What HTTP speaks is offered in any case.
    if let Some(alpn) = fields.take("alpn_protocols") {
        let is_of_http = |name: &serde_json::Value| name == "h2" || name == "http/1.1";
        if alpn
            .value()
            .as_array()
            .is_some_and(|names| names.iter().all(is_of_http))
        {
            alpn.used();
        }
    }
    common
}

fn with_left_out(common: Common, version: Node) -> Common {
    version.leave_out("the oldest version that is spoken is TLS 1.2");
    common
}

/// The name of a file of a data source.
fn file(fields: &mut Fields, name: &str) -> Option<String> {
    fields.fields(name)?.text("filename")
}
