"""Release 0.6.1: eight tables."""

from peewee import SQL, BigIntegerField, BooleanField, CompositeKey, TextField

from .base import BaseModel, BigSerialField, JSONField, TimestampField, WordField


class Agent(BaseModel):
    id = WordField(primary_key=True)
    type = TextField()
    config = JSONField(null=True)


Agent.add_index(Agent.deleted_at, name="idx_agent_deleted_at")


class Session(BaseModel):
    id = WordField()
    name = WordField(null=True)
    user_id = WordField()
    agent_id = WordField(null=True)

    class Meta:
        primary_key = CompositeKey("id", "user_id")


Session.add_index(Session.name, name="idx_session_name")
Session.add_index(Session.agent_id, name="idx_session_agent_id")
Session.add_index(Session.deleted_at, name="idx_session_deleted_at")


class Task(BaseModel):
    id = WordField(primary_key=True)
    data = TextField()
    session_id = WordField(null=True)


Task.add_index(Task.session_id, name="idx_task_session_id")
Task.add_index(Task.deleted_at, name="idx_task_deleted_at")


class Event(BaseModel):
    id = WordField()
    session_id = WordField(null=True)
    user_id = WordField()
    data = TextField()

    class Meta:
        primary_key = CompositeKey("id", "user_id")


Event.add_index(Event.session_id, name="idx_event_session_id")
Event.add_index(Event.deleted_at, name="idx_event_deleted_at")


class PushNotification(BaseModel):
    id = WordField(primary_key=True)
    task_id = WordField()
    data = TextField()

    class Meta:
        table_name = "push_notification"


PushNotification.add_index(PushNotification.task_id, name="idx_push_notification_task_id")
PushNotification.add_index(PushNotification.deleted_at, name="idx_push_notification_deleted_at")


class Feedback(BaseModel):
    id = BigSerialField()
    user_id = WordField()
    message_id = BigIntegerField(null=True)
    is_positive = BooleanField(null=True, default=False, constraints=[SQL("DEFAULT false")])
    feedback_text = TextField()
    issue_type = TextField(null=True)

    class Meta:
        primary_key = CompositeKey("id", "user_id")


Feedback.add_index(Feedback.message_id, name="idx_feedback_message_id")
Feedback.add_index(Feedback.deleted_at, name="idx_feedback_deleted_at")


class Tool(BaseModel):
    id = WordField()
    server_name = WordField()
    group_kind = WordField()
    description = TextField(null=True)

    class Meta:
        primary_key = CompositeKey("id", "server_name", "group_kind")


Tool.add_index(Tool.deleted_at, name="idx_tool_deleted_at")


class ToolServer(BaseModel):
    name = WordField()
    group_kind = WordField()
    description = TextField(null=True)
    last_connected = TimestampField(null=True)

    class Meta:
        table_name = "toolserver"
        primary_key = CompositeKey("name", "group_kind")


ToolServer.add_index(ToolServer.deleted_at, name="idx_toolserver_deleted_at")
