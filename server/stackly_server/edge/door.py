"""The one interceptor: identity → rule → fields → handler → errors, for each method of each service.

It stands in the place of grpc's own handlers, so that it costs nothing on top and no method can slip by it.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from stackly.options.v1 import options_pb2
from stackly_server import limits
from stackly_server.access import Kind, Subject, require
from stackly_server.clock import uuid7
from stackly_server.edge import statuses
from stackly_server.edge.answers import Answers
from stackly_server.edge.call_log import CallLog, Metrics
from stackly_server.edge.deadlines import Deadlines
from stackly_server.edge.identity import PENDING, Credentials, Identifiers, metadata_of
from stackly_server.edge.rules import Rule
from stackly_server.edge.statuses import Refusal
from stackly_server.errors import NotNow, StacklyError, TooMuch, Unavailable

_CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNWATCHED = nullcontext()
Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[..., Any]


@dataclass(slots=True)
class Stopping:
    """Streams and long polls under way; `stop` ends them with SHUTTING_DOWN, so that their callers go on elsewhere."""

    _waiting: set[asyncio.Task[Any]] = field(default_factory=set)
    _begun: bool = False
    _of_caller: Counter[str] = field(default_factory=Counter)

    def stop(self) -> None:
        """Ends all of them, and from now on each new one."""
        self._begun = True
        for task in self._waiting:
            task.cancel()

    def _has_begun(self) -> bool:
        return self._begun

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes the running task for as long as it lasts."""
        task = asyncio.current_task()
        if self._begun or task is None:
            raise _shutting_down()
        self._waiting.add(task)
        try:
            yield
        except asyncio.CancelledError as error:
            if not self._has_begun():
                raise
            task.uncancel()  # it was `stop` that canceled, and the task has a last word to say
            raise _shutting_down() from error
        finally:
            self._waiting.discard(task)

    @contextmanager
    def one_more_of(self, actor: str) -> Iterator[None]:
        """Counts a stream of a caller; TooMuch when it has 200 open in this process, each of which may hold 8 MB."""
        if self._of_caller[actor] >= limits.STREAMS_OF_ONE_CALLER:
            most = str(limits.STREAMS_OF_ONE_CALLER)
            raise TooMuch("QUOTA_EXCEEDED", f"You have {most} streams open already; close some.", most=most)
        self._of_caller[actor] += 1
        try:
            yield
        finally:
            self._of_caller[actor] -= 1
            if not self._of_caller[actor]:
                del self._of_caller[actor]


class Door(Protocol):
    """What `handlers` needs of a listener."""

    served: frozenset[int]
    identifiers: Identifiers
    answers: Answers
    metrics: Metrics
    log: CallLog
    stopping: Stopping


@dataclass(slots=True)
class Call:
    """One call under way: its subject becomes known on the way in."""

    rule: Rule
    subject: Subject
    metadata: Mapping[str, str]
    began: float
    greeted: bool = False


class Entry:
    """The way in and out of one method on one listener."""

    def __init__(self, door: Door, rule: Rule, handler: Handler) -> None:
        self._door = door
        self._rule = rule
        self._handler = handler
        self._deadlines = Deadlines(rule.seconds or 0.0)
        self._waits = rule.waits
        self._has_certificate = rule.audience == options_pb2.AUDIENCE_WORKER

    def grpc_handler(self) -> "grpc.RpcMethodHandler[Any, Any]":
        """What grpc calls."""
        rule = self._rule
        behaviour = self._stream if rule.streams_out else self._unary
        make = getattr(grpc, f"{_word(rule.streams_in)}_{_word(rule.streams_out)}_rpc_method_handler")
        made: grpc.RpcMethodHandler[Any, Any] = make(behaviour, None, _bytes)
        return made

    async def _unary(self, request: Any, context: Context) -> Message | bytes:
        call, refused, error = self._begin(context), None, None
        answer: Message | bytes = b""
        limit = self._deadlines.of_this_call()
        try:
            with self._door.stopping.watched() if self._waits else _UNWATCHED, limit:
                answer = await self._answer(call, request, context)
        except StacklyError as problem:
            refused = statuses.refusal(problem)
        except asyncio.CancelledError:
            self._note(call, "CANCELLED", None, None)
            raise
        except Exception as problem:  # noqa: BLE001  (the last one who can keep its text inside)
            if limit.expired:
                refused = statuses.too_late(self._rule.seconds or 0.0)
            else:
                refused, error = statuses.fault(), problem
        await self._end(call, context, refused, error)
        return answer

    async def _stream(self, request: Any, context: Context) -> AsyncIterator[Message]:
        call, refused, error = self._begin(context), None, None
        try:
            with self._door.stopping.watched():
                asked = await self._admit(call, request, context)
                with self._door.stopping.one_more_of(call.subject.actor):
                    await _send_initial(call, context, None)
                    async with aclosing(self._handler(asked, call.subject)) as answers:
                        async for answer in answers:
                            yield answer
        except StacklyError as problem:
            refused = statuses.refusal(problem)
        except (asyncio.CancelledError, GeneratorExit):
            self._note(call, "CANCELLED", None, None)
            raise
        except Exception as problem:  # noqa: BLE001  (as above)
            refused, error = statuses.fault(), problem
        await self._end(call, context, refused, error)

    async def _answer(self, call: Call, sent: Any, context: Context) -> Message | bytes:
        if self._rule.streams_in:
            await self._identify(call, context)
            return await self._handler(self._checked(call, sent), call.subject)  # type: ignore[no-any-return]
        request = await self._admit(call, sent, context)
        run = partial(self._handler, request, call.subject)
        if self._rule.keyed:
            return await self._door.answers.once(self._rule, request, call.subject, run)
        return await run()  # type: ignore[no-any-return]

    async def _admit(self, call: Call, sent: bytes, context: Context) -> Message:
        """Lets a caller in, or not. Nothing of the thing asked for has been read when this is done."""
        await self._identify(call, context)
        return self._allowed(call.subject, sent)

    def _allowed(self, subject: Subject, sent: bytes) -> Message:
        request = self._rule.parse(sent)
        if self._rule.permission:
            require(subject, self._rule.permission, self._rule.resource_of(request))
        self._rule.fields.check(request, subject.account if subject.kind is Kind.USER else "")
        return request

    async def _identify(self, call: Call, context: Context) -> None:
        certificate = b""
        if self._has_certificate:
            certificate = next(iter(context.auth_context().get("x509_pem_cert") or ()), b"")
        credentials = Credentials(call.metadata, certificate)
        subject = await self._door.identifiers.identify(self._rule.audience, self._door.served, credentials)
        if subject.pending and self._rule.path not in PENDING:
            raise NotNow("CAPABILITY_MISMATCH", "Answer the challenge first, then rotate the certificate.")
        subject.method, subject.call_id = call.subject.method, call.subject.call_id
        call.subject = subject

    async def _checked(self, call: Call, parts: AsyncIterator[bytes]) -> AsyncIterator[Message]:
        async for sent in parts:
            yield self._allowed(call.subject, sent)

    def _begin(self, context: Context) -> Call:
        metadata = metadata_of(context.invocation_metadata())
        asked = metadata.get("x-request-id")
        call_id = asked if asked and _CALL_ID.fullmatch(asked) else str(uuid7())
        self._door.metrics.running += 1
        subject = Subject(Kind.ANONYMOUS, actor="anonymous", method=self._rule.path, call_id=call_id)
        return Call(self._rule, subject, metadata, time.monotonic())

    async def _end(self, call: Call, context: Context, refused: Refusal | None, error: Exception | None) -> None:
        """Headers of their own cost a trip through grpc, a tenth of a small call: a good answer has its id in trailers."""
        self._note(call, refused.code.name if refused else "OK", refused, error)
        if refused is None:
            context.set_trailing_metadata((("x-request-id", call.subject.call_id),))
        else:
            await _send_initial(call, context, refused)
            details = ("grpc-status-details-bin", refused.status().SerializeToString())
            await context.abort(refused.code, refused.message, (details,))

    def _note(self, call: Call, code: str, refused: Refusal | None, error: Exception | None) -> None:
        seconds = time.monotonic() - call.began
        self._door.metrics.running -= 1
        self._door.metrics.count(self._rule.path, code, seconds)
        reason, incident = (refused.reason, refused.incident) if refused else ("", "")
        if error is None:
            self._door.log.note(call.subject, code, reason, seconds, incident)
        else:
            self._door.log.fault(call.subject, code, reason, seconds, incident, error)


async def _send_initial(call: Call, context: Context, refused: Refusal | None) -> None:
    if not call.greeted:
        call.greeted = True
        await context.send_initial_metadata(_initial(call, refused))


def _initial(call: Call, refused: Refusal | None) -> tuple[tuple[str, str], ...]:
    """Metadata that becomes HTTP headers; trailing metadata would be lost there."""
    found = [("x-request-id", call.subject.call_id)]
    if refused is not None and refused.retry_after is not None:
        found.append(("retry-after", str(max(1, round(refused.retry_after)))))
    return tuple(found)


def _shutting_down() -> Unavailable:
    return Unavailable("SHUTTING_DOWN", "The server is stopping: resume by the token you have.", retry_after=1.0)


def _bytes(answer: Message | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _word(streams: bool) -> str:  # noqa: FBT001
    return "stream" if streams else "unary"
