//! What is asked of the server.

use crate::{Answer, CallError};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use std::sync::OnceLock;

/// A script that runs on the server as one step. Make one a `static`.
#[derive(Debug)]
pub struct Script {
    code: &'static str,
    hash: OnceLock<String>,
}

/// Something to ask of the server: commands that follow each other without any other in between, or a script.
///
/// It is sent on one connection with everything else, in the order of the calls, and at most once: nothing is repeated whose fate
/// is not known.
#[derive(Debug)]
pub struct Request(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Commands(Pipeline),
    Script {
        script: &'static Script,
        /// The command that runs it by its hash.
        command: Cmd,
    },
    Subscribe(Vec<u8>),
}

// === impl Script ===

impl Script {
    /// A script in Lua.
    pub const fn new(code: &'static str) -> Self {
        Self {
            code,
            hash: OnceLock::new(),
        }
    }

    /// A request to run it.
    pub fn request<'a>(
        &'static self,
        keys: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
        arguments: impl IntoIterator<Item = &'a [u8]>,
    ) -> Request {
        let keys = keys.into_iter();
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.hash()).arg(keys.len());
        for argument in keys.chain(arguments) {
            command.arg(argument);
        }
        Request(Kind::Script {
            script: self,
            command,
        })
    }

    fn hash(&self) -> &str {
        self.hash
            .get_or_init(|| redis::Script::new(self.code).get_hash().to_owned())
    }

    /// The command that runs it by its code, with the arguments of the one that runs it by its hash.
    fn by_code(&self, by_hash: &Cmd) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.code);
        for argument in by_hash.args_iter().skip(2) {
            if let redis::Arg::Simple(argument) = argument {
                command.arg(argument);
            }
        }
        command
    }
}

// === impl Request ===

impl From<Cmd> for Request {
    fn from(command: Cmd) -> Self {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        pipeline.into()
    }
}

impl From<Pipeline> for Request {
    fn from(pipeline: Pipeline) -> Self {
        Self(Kind::Commands(pipeline))
    }
}

impl Request {
    /// Sends it and waits for its answer.
    pub(crate) async fn run(self, mut connection: MultiplexedConnection) -> Answer {
        match self.0 {
            Kind::Commands(pipeline) => {
                let answers = connection
                    .send_packed_commands(&pipeline, 0, pipeline.len())
                    .await?;
                answers.into_iter().map(refuse_errors).collect()
            }
            Kind::Script { script, command } => {
                let mut run =
                    async |command: &Cmd| connection.send_packed_command(command).await?.extract_error();
                let answer = match run(&command).await {
                    // The server forgets scripts when it restarts, and has not run anything then.
                    Err(error) if is_unknown_script(&error) => run(&script.by_code(&command)).await,
                    answer => answer,
                };
                Ok(vec![answer?])
            }
            Kind::Subscribe(channel) => {
                connection.subscribe(channel).await?;
                Ok(Vec::new())
            }
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn refuse_errors(value: Value) -> Result<Value, CallError> {
    Ok(value.extract_error()?)
}
