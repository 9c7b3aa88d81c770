from django_filters import CharFilter, FilterSet, IsoDateTimeFilter


class RowFilterSet(FilterSet):
    """Filters by exact ids and words: what a key may not see simply is not found."""


def id_filter(field_name: str) -> CharFilter:
    return CharFilter(field_name=field_name, max_length=26)


def word_filter(field_name: str) -> CharFilter:
    return CharFilter(field_name=field_name, max_length=64)


def since_filter(field_name: str) -> IsoDateTimeFilter:
    return IsoDateTimeFilter(field_name=field_name, lookup_expr="gte")


def before_filter(field_name: str) -> IsoDateTimeFilter:
    return IsoDateTimeFilter(field_name=field_name, lookup_expr="lt")
