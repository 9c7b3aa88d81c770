"""All addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from customers.portal import set_language

urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/setlang/", set_language, name="set_language"),
    path("", include("config.portal_urls")),
]
