"""The WebSocket routes; config.asgi serves them."""

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from channels.sessions import CookieMiddleware
from django.urls import path, re_path

from notifications.consumers import EventsConsumer
from notifications.origin import SameOriginValidator

websocket_urlpatterns = [
    path("ws/events/", EventsConsumer.as_asgi(), name="events"),
    re_path("", WebsocketDenier.as_asgi()),  # else every scan of ours leaves a traceback
]

application = SameOriginValidator(CookieMiddleware(URLRouter(websocket_urlpatterns)))
