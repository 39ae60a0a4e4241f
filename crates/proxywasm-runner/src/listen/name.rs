//! What sockets are called while they are handed over, in `LISTEN_FDNAMES`.

use crate::settings::ListenerSettings;
use crate::transport::Address;
use std::net::SocketAddr;

/// What a socket is called. Descriptors are handed over with names so that who gets them knows what each is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

// === impl Name ===

impl Name {
    /// The names of listeners: what the configuration says, else the address, which stays the same where a port was chosen. Listeners on any
    /// port are told apart by their order.
    pub(crate) fn of_listeners(listeners: &[ListenerSettings]) -> Vec<Self> {
        let base = |listener: &ListenerSettings| match &listener.socket {
            Some(name) => name.clone(),
            None => listener.address.to_string(),
        };
        let bases: Vec<String> = listeners.iter().map(base).collect();
        let numbered = bases.iter().enumerate().map(|(place, name)| {
            let before = bases.iter().take(place).filter(|other| *other == name).count();
            match before {
                0 => Self(name.clone()),
                _ => Self(format!("{name}#{before}")),
            }
        });
        numbered.collect()
    }

    pub(crate) fn of_admin(address: SocketAddr) -> Self {
        Self(format!("admin {}", Address::Ip(address)))
    }

    /// How it stands between the colons of the variable.
    pub(crate) fn encode(&self) -> String {
        self.0.replace('%', "%25").replace(':', "%3A")
    }

    /// The opposite.
    pub(crate) fn decode(text: &str) -> Self {
        Self(text.replace("%3A", ":").replace("%25", "%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::AcceptMode;

    #[test]
    fn names() {
        let listener = |address: &str, socket: Option<&str>| ListenerSettings {
            socket: socket.map(str::to_owned),
            ..ListenerSettings::new(
                address.parse::<Address>().unwrap(),
                AcceptMode::PerWorker,
                Vec::new(),
            )
        };
        let listeners = [
            listener("127.0.0.1:0", None),
            listener("[::1]:80", Some("web")),
            listener("127.0.0.1:0", None),
            listener("unix:/run/100%3A:.sock", None),
        ];
        let expected = [
            ("127.0.0.1:0", "127.0.0.1%3A0"),
            ("web", "web"),
            ("127.0.0.1:0#1", "127.0.0.1%3A0#1"),
            ("unix:/run/100%3A:.sock", "unix%3A/run/100%253A%3A.sock"),
        ];
        for (name, (text, encoded)) in Name::of_listeners(&listeners).into_iter().zip(expected) {
            assert_eq!((name.0.as_str(), name.encode().as_str()), (text, encoded));
            assert_eq!(Name::decode(encoded), name);
        }
    }
}
