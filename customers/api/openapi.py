"""The OpenAPI document and its page; both are public, the data behind them is not."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How a request is authenticated; known to the document once this is imported."""

    target_class = "customers.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class ApiSchemaView(SpectacularAPIView):
    http_method_names = ["get", "head"]
    throttle_classes = ()


class ApiDocsView(SpectacularSwaggerSplitView):
    """Swagger UI. Its script comes from an address of its own, so that the page needs no inline
    script and the site's CSP holds."""

    http_method_names = ["get", "head"]
    throttle_classes = ()
    url_name = "api-schema"
    template_name = "api/docs.html"
