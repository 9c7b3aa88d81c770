"""All addresses of the site."""

from django.contrib import admin
from django.urls import include, path, re_path

from customers.portal import set_language
from signals_app.hooks import webhook_receive

urlpatterns = [
    path("admin/", admin.site.urls),
    # Without the slash too: a redirected POST would arrive as a GET.
    re_path(
        r"^hooks/(?P<source_id>[^/]{1,64})(?:/(?P<token>[^/]{1,80}))?/?$",
        webhook_receive,
        name="webhook",
    ),
    path("api/", include("config.api_urls")),
    path("i18n/setlang/", set_language, name="set_language"),
    path("", include("config.portal_urls")),
]
