from rest_framework.pagination import CursorPagination


class IdCursorPagination(CursorPagination):
    """Newest first by id, which is time-ordered; stable while rows are added."""

    ordering = "-id"
    page_size = 100
    max_page_size = 500
    page_size_query_param = "limit"
