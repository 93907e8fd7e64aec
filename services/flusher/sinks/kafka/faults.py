"""What Kafka and the way to it can do to us, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors

from tapewire.errors import TargetError

_REFUSED = (
    "the broker refuses this user. Check user and password_file of [sinks.kafka], sasl, and that the broker knows the "
    "user"
)
_MAY_NOT = (
    "the user may not do this. It needs Create, Describe, Read and Write on topics that begin with the prefix, and "
    "Write on transactional ids that do"
)
_TOO_LARGE = (
    "a record is larger than the broker takes. Raise max.message.bytes of the topic (or message.max.bytes of the "
    "broker) to 1 MiB or more"
)
_OTHER = "another process follows this tape into the same topic. Stop one of them, or give it a prefix of its own"
_ADVICE: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((errors.SaslAuthenticationFailed, errors.AuthenticationFailedError, errors.IllegalSaslStateError), _REFUSED),
    (
        (errors.UnsupportedSaslMechanismError,),
        "the broker does not offer this sasl mechanism. Set `sasl` to one it has",
    ),
    (
        (
            errors.TopicAuthorizationFailedError,
            errors.ClusterAuthorizationFailedError,
            errors.TransactionalIdAuthorizationFailed,
            errors.GroupAuthorizationFailedError,
        ),
        _MAY_NOT,
    ),
    ((errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.RecordTooLargeError), _TOO_LARGE),
    ((errors.ProducerFenced, errors.InvalidProducerEpoch), _OTHER),
    (
        (errors.UnknownTopicOrPartitionError,),
        "the topic is not there. If it was deleted, it is made anew and filled from the tape",
    ),
    (
        (errors.NotEnoughReplicasError, errors.NotEnoughReplicasAfterAppendError),
        "fewer replicas are in step than min.insync.replicas asks. Bring brokers back",
    ),
    ((errors.InvalidReplicationFactorError,), "there are fewer brokers than [sinks.kafka] replicas. Lower it"),
    (
        (errors.InvalidTimestampError,),
        "the tape's time is ahead of the broker's by more than message.timestamp.after.max.ms of the topic. Raise "
        "that, or set the clocks",
    ),
    ((errors.KafkaStorageError,), "the broker cannot write to its disk. Make room there"),
    (
        (errors.KafkaConnectionError, errors.KafkaTimeoutError, errors.NodeNotReadyError, errors.RequestTimedOutError),
        "is the broker running, and the address in url right",
    ),
)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turns whatever comes of talking to Kafka into a TargetError."""
    try:
        yield
    except errors.KafkaError as error:
        advice = next((text for kinds, text in _ADVICE if isinstance(error, kinds)), "see the broker's log")
        first = str(error).partition("\n")[0] or type(error).__name__
        raise TargetError(f"{where}: {first}: {advice}") from error
    except (OSError, TimeoutError, errors.IllegalOperation, errors.ConsumerStoppedError) as error:
        text = str(error).partition("\n")[0] or type(error).__name__
        raise TargetError(
            f"{where}: cannot be reached: {text}. Is the broker running, and the address in url right?"
        ) from error
