"""Writes the calendar of an account as iCalendar (RFC 5545; its name and pace: RFC 7986)."""

from __future__ import annotations

from datetime import timedelta

from icalendar import Alarm, Calendar, Event, vDuration, vText

from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.services.ports import Renderer

LOOK_AGAIN = timedelta(hours=1)
LENGTH = timedelta(minutes=15)  # some programs do not show an event that has none
ALARMS = (timedelta(days=7), timedelta(days=1))


class CalendarFile:
    """Implements ``services.ports.account_calendar.CalendarWriter``."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def write(self, calendar: AccountCalendar) -> bytes:
        """Return the file: the same bytes for the same dates."""
        self._renderer.refresh()
        file = Calendar()
        file.add("version", "2.0")
        file.add("prodid", "-//Rollout//Dates of an account//EN")
        file.add("method", "PUBLISH")
        name = vText(self._renderer.name(calendar))  # the library would not escape it
        file.add("name", name)
        file.add("x-wr-calname", name)
        file.add("refresh-interval", LOOK_AGAIN, parameters={"VALUE": "DURATION"})
        file.add("x-published-ttl", vDuration(LOOK_AGAIN))
        for date in calendar.dates:
            file.add_component(self._event(date))
        written: bytes = file.to_ical()
        return written

    def _event(self, date: AccountDate) -> Event:
        title, text = self._renderer.describe(date)
        event = Event()
        event.add("uid", date.uid)
        event.add("sequence", date.sequence)
        event.add("dtstamp", date.changed_at)
        event.add("last-modified", date.changed_at)
        event.add("dtstart", date.deadline)
        event.add("dtend", date.deadline + LENGTH)
        event.add("summary", title)
        event.add("description", text)
        event.add("url", date.guide_url)
        event.add("status", "CANCELLED" if date.state == "exempt" else "CONFIRMED")
        event.add("transp", "TRANSPARENT")  # nobody is busy then
        for ahead in ALARMS if date.state == "scheduled" else ():
            event.add_component(_alarm(ahead, title))
        return event


def _alarm(ahead: timedelta, title: str) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", -ahead)
    return alarm
