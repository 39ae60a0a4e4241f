//! What differs in meaning between the generations of the ABI, as data that the cores read.

/// How a generation of the ABI wants a few situations answered. The cores hold the semantics; this says which of two they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AbiPolicy {
    /// Resuming a direction that holds nothing back: an error for the component ABI, nothing for the older ones.
    pub resume_not_held: Misuse,
    /// A second local response on one stream: an error for the component ABI, ignored by the older ones.
    pub second_response: Misuse,
    /// A local response after the response head is out: an error for the component ABI; with the older ones the call succeeds
    /// and the stream is reset, because their SDKs trap on a status they do not list.
    pub late_response: LateResponse,
    /// A local response with a status code that is no final one, 200 to 599: refused by the component ABI, sent as 500 for the older
    /// ones.
    pub invalid_status: InvalidStatus,
    /// Closing a stream that has ended, or has been closed already.
    pub close_ended: Misuse,
    /// Whether a plugin's own local response comes by its response callbacks, as hosts of the older ABIs have it.
    pub visits_own_response: bool,
    /// What setting a counter does: refused by the component ABI; hosts of the older ABIs add the value to it.
    pub counter_set: CounterSet,
    /// Which queues a plugin can name by id.
    pub queue_ids: QueueIds,
    /// How a plugin is told that an HTTP callout has failed.
    pub callout_failure: CalloutFailure,
}

/// How a call that has nothing to act on is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misuse {
    /// `invalid_operation`.
    Refuse,
    /// `ok`, and nothing happens.
    Ignore,
}

/// How a local response is answered once the response head is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LateResponse {
    /// `invalid_operation`.
    Refuse,
    /// `ok`, and the stream is reset.
    Reset,
}

/// How a local response with an impossible status code is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InvalidStatus {
    /// `bad_argument`.
    Refuse,
    /// `ok`, and the response has the status 500.
    Replace,
}

/// Which queues a plugin can name by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueIds {
    /// Those that it has opened.
    Opened,
    /// Every queue of the process: with the older ABIs plugins hand ids to each other.
    Process,
}

/// How a plugin is told that an HTTP callout has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CalloutFailure {
    /// Its callback gets no headers, and it can ask for the reason: what the text of ABI 0.2.1 says.
    #[default]
    NoHeaders,
    /// Its callback gets an answer that the host made, as if by the upstream: 504 where the time was over, else 503. So does Envoy, and
    /// plugins that were written for it may look at nothing but the status. An answer that breaks off is told as by the other one.
    Answer,
}

/// What setting a counter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CounterSet {
    /// `invalid_operation`.
    Refuse,
    /// The value is added to it.
    Add,
}

// === impl AbiPolicy ===

impl AbiPolicy {
    /// The component ABI.
    pub const COMPONENT: Self = Self {
        resume_not_held: Misuse::Refuse,
        second_response: Misuse::Refuse,
        late_response: LateResponse::Refuse,
        invalid_status: InvalidStatus::Refuse,
        close_ended: Misuse::Refuse,
        visits_own_response: false,
        counter_set: CounterSet::Refuse,
        queue_ids: QueueIds::Opened,
        callout_failure: CalloutFailure::NoHeaders,
    };

    /// ABI 0.1.0, 0.2.0 and 0.2.1.
    pub const LEGACY: Self = Self {
        resume_not_held: Misuse::Ignore,
        second_response: Misuse::Ignore,
        late_response: LateResponse::Reset,
        invalid_status: InvalidStatus::Replace,
        close_ended: Misuse::Ignore,
        visits_own_response: true,
        counter_set: CounterSet::Add,
        queue_ids: QueueIds::Process,
        callout_failure: CalloutFailure::NoHeaders,
    };
}

impl Misuse {
    /// The answer as a result.
    ///
    /// # Errors
    /// `invalid_operation` where misuse is refused.
    pub fn answer(self) -> Result<(), crate::Status> {
        match self {
            Self::Refuse => Err(crate::Status::InvalidOperation),
            Self::Ignore => Ok(()),
        }
    }
}
