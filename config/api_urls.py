"""The partner API: /api/v1/, its OpenAPI document and its pages."""

urlpatterns = []
