"""Its addresses."""

urlpatterns: list[object] = []
