"""EventService on the wire."""

from collections.abc import AsyncIterator

from google.rpc import status_pb2

from stackly.v1 import events_pb2
from stackly.v1 import events_service_pb2 as pb
from stackly_server.access import Subject
from stackly_server.errors import StacklyError
from stackly_server.events.model import Event, EventFilter
from stackly_server.events.service import EventService, Followed
from stackly_server.pages import Pages

_UNAVAILABLE = 14


class EventServicer:
    """stackly.v1.EventService."""

    def __init__(self, service: EventService) -> None:
        self._service = service

    async def ListEvents(self, request: pb.ListEventsRequest, call: Subject) -> pb.ListEventsResponse:
        matching = EventFilter(request.type, request.subject)
        size = Pages.size(request.page_size)
        rows, token = await self._service.list(call, request.parent, matching, size, request.page_token)
        return pb.ListEventsResponse(events=[_event(row, call.account) for row in rows], next_page_token=token)

    async def WatchEvents(self, request: pb.WatchEventsRequest, call: Subject) -> AsyncIterator[pb.WatchEventsResponse]:
        sequence = await self._service.start(call, request.parent, request.resume_token)
        end = status_pb2.Status()
        try:
            async for record in self._service.follow(call, sequence, EventFilter(request.type)):
                sequence = record.sequence
                yield _record(record, call.account)
        except StacklyError as error:  # REST has no trailers: the end of a stream stands within it
            end = status_pb2.Status(code=_UNAVAILABLE, message=error.message)
        yield pb.WatchEventsResponse(resume_token=str(sequence), end=end)


def _record(record: Followed, account: str) -> pb.WatchEventsResponse:
    token = str(record.sequence)
    if record.event is None:
        return pb.WatchEventsResponse(resume_token=token, heartbeat=pb.Heartbeat())
    return pb.WatchEventsResponse(resume_token=token, event=_event(record.event, account))


def _event(event: Event, account: str) -> events_pb2.Event:
    return events_pb2.Event(
        name=f"accounts/{account}/events/{event.sequence}",
        sequence=event.sequence,
        type=event.type,
        subject=event.subject,
        actor=event.actor,
        occurred_at=event.occurred_at,
        facts=dict(event.facts),
    )
