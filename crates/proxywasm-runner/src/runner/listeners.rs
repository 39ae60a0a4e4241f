//! The listeners of a worker, which come, change and go while it runs.

use crate::access_log::AccessLog;
use crate::driver::{Destination, HttpListener, Observer, Routed};
use crate::forwarding::RequestIds;
use crate::routing::ECHO;
use crate::server::{Application, Connections, Drain, Service, Serving};
use crate::settings::ListenerSettings;
use crate::shutdown::Shutdown;
use crate::tcp::TcpRoute;
use crate::trace::Tracer;
use crate::transport::{Address, BoundListener, BoundSocket};
use crate::upstream::{HttpTarget, Upstream, UpstreamTarget};
use crate::worker::Worker;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A listener as all workers know it.
#[derive(Clone)]
pub(super) struct ListenerPart {
    /// It is the same one in each version of the settings.
    pub(super) number: usize,
    pub(super) settings: ListenerSettings,
    /// How many connections it has in all workers.
    pub(super) connections: Arc<AtomicUsize>,
    /// Its end.
    pub(super) shutdown: Shutdown,
}

/// The listeners of one worker.
pub(super) struct Listeners {
    worker: Rc<Worker>,
    connections: Rc<Connections>,

    drain: Rc<Drain>,
    tracer: Option<Arc<Tracer>>,
    places: RefCell<HashMap<usize, Place>>,
}

/// The access log of a listener.
pub(super) enum LogPart {
    /// It is as before, and so is the name of the listener.
    Same,
    /// It is this one, or there is none.
    Other(Option<AccessLog>),
}

struct Place {
    service: Rc<Service>,
    observer: Rc<Observer>,
    /// The only server that it has, with the connections to it.
    upstream: Option<(HttpTarget, Rc<Upstream>)>,
}

// === impl Listeners ===

impl Listeners {
    pub(super) fn new(
        worker: &Rc<Worker>,
        connections: &Rc<Connections>,
        drain: &Rc<Drain>,
        tracer: Option<Arc<Tracer>>,
    ) -> Self {
        Self {
            worker: Rc::clone(worker),
            connections: Rc::clone(connections),

            drain: Rc::clone(drain),
            tracer,
            places: RefCell::default(),
        }
    }

    /// Has these from now on. Those that were there before go on, with what is new for the requests and connections that come next; those
    /// that are not among them are forgotten, and end by themselves.
    pub(super) fn set(&self, listeners: &[ListenerPart], logs: Vec<LogPart>) {
        let mut places = self.places.borrow_mut();
        let mut before = std::mem::take(&mut *places);

        for (listener, log) in listeners.iter().zip(logs) {
            let known = before.remove(&listener.number);
            let observer = self.observer(&listener.settings, log, known.as_ref());
            let upstream = self.upstream(&listener.settings, known.as_ref());
            let one = upstream.as_ref().map(|(_, upstream)| upstream);
            let serving = self.serving(listener.settings.clone(), one, &observer);
            let service = match known {
                Some(known) => {
                    known.service.replace(serving);
                    known.service
                }
                None => {
                    let drain = self.drain.part(listener.shutdown.clone());
                    tokio::task::spawn_local(Rc::clone(&drain).watch());
                    Service::new(serving, Arc::clone(&listener.connections), drain)
                }
            };
            let place = Place {
                service,
                observer,
                upstream,
            };
            places.insert(listener.number, place);
        }
    }

    /// Accepts the connections of a listener on a socket of this worker's.
    pub(super) fn accept(&self, number: usize, socket: BoundListener) {
        let Some(service) = self.service(number) else {
            return;
        };
        match socket.into_listener() {
            Ok(socket) => self.connections.accept(socket, &service),
            Err(error) => tracing::error!(%error, "a socket cannot be used"),
        }
    }

    /// Serves a connection that was accepted elsewhere.
    pub(super) fn serve(&self, number: usize, socket: BoundSocket, peer: Address) {
        let Some(service) = self.service(number) else {
            return self.connections.forget();
        };
        match socket.into_socket() {
            Ok(socket) => self.connections.serve(socket, peer, &service),
            Err(error) => {
                tracing::warn!(%error, "an accepted connection cannot be used");
                self.connections.forget();
            }
        }
    }

    fn service(&self, number: usize) -> Option<Rc<Service>> {
        let places = self.places.borrow();
        places.get(&number).map(|place| Rc::clone(&place.service))
    }

    /// What keeps an eye on the requests of a listener.
    fn observer(&self, settings: &ListenerSettings, log: LogPart, known: Option<&Place>) -> Rc<Observer> {
        let name = settings.name();
        let known = known.map(|known| &known.observer);
        let log = match log {
            LogPart::Other(log) => log,
            LogPart::Same => match known {
                Some(same) => return Rc::clone(same),
                None => None,
            },
        };
        Rc::new(Observer {
            figures: self.worker.figures().listener(&name),
            listener: name,
            log,
        })
    }

    /// The server of a listener without routes: the same as before, if it is the same.
    fn upstream(
        &self,
        settings: &ListenerSettings,
        known: Option<&Place>,
    ) -> Option<(HttpTarget, Rc<Upstream>)> {
        let (UpstreamTarget::Http(target), None) = (&settings.upstream, &settings.routes) else {
            return None;
        };
        let known = known.and_then(|known| known.upstream.as_ref());
        let same = known.filter(|(known, _)| known == target).cloned();
        Some(same.unwrap_or_else(|| {
            let counted = self.worker.figures().upstream(&settings.upstream.to_string());
            let upstream = Upstream::new(Some(target), Some(&counted));
            (target.clone(), Rc::new(upstream))
        }))
    }

    /// What a worker does with the connections of a listener.
    fn serving(
        &self,
        listener: ListenerSettings,
        upstream: Option<&Rc<Upstream>>,
        observer: &Rc<Observer>,
    ) -> Serving {
        Serving {
            figures: Arc::clone(&observer.figures),
            proxy_protocol: listener.proxy_protocol,
            tls: listener.tls.clone(),
            http: listener.limits.clone(),
            handshake_timeout: listener.handshake_timeout,
            max_connections: listener.max_connections.get(),
            application: self.application(listener, upstream, Rc::clone(observer)),
        }
    }

    /// What it does with what comes on them.
    fn application(
        &self,
        listener: ListenerSettings,
        one: Option<&Rc<Upstream>>,
        observer: Rc<Observer>,
    ) -> Application {
        let name = listener.name();
        let upstream = listener.upstream.to_string();
        let worker = &self.worker;
        let figures = worker.figures();
        let destination = match (listener.routes, listener.upstream) {
            (Some(table), _) => {
                let routed = Routed::new(&name, table, listener.http.paths, worker.clusters(), figures);
                Destination::Routed(Box::new(routed))
            }
            (None, UpstreamTarget::Echo) => {
                Destination::One(Rc::new(Upstream::new(None, None)), ECHO.to_owned())
            }
            (None, UpstreamTarget::Http(target)) => {
                let one = one.cloned();
                let one = one.unwrap_or_else(|| Rc::new(Upstream::new(Some(&target), None)));
                Destination::One(one, upstream)
            }
            (None, UpstreamTarget::Tcp(target)) => {
                return Application::Tcp(Rc::new(TcpRoute {
                    worker: Rc::clone(worker),
                    chain: listener.chain,

                    target,
                    observer,
                    figures: figures.upstream(&upstream),
                    upstream,
                }));
            }
        };
        Application::Http(Rc::new(RefCell::new(Rc::new(HttpListener {
            worker: Rc::clone(worker),
            chain: listener.chain,
            destination,
            http: listener.http,
            request_ids: RequestIds::default(),
            body_timeout: listener.limits.body_timeout,
            tunnel_timeout: listener.limits.tunnel_timeout,
            allows_connect: listener.limits.connect,
            observer,
            tracer: self.tracer.clone(),
        }))))
    }
}
