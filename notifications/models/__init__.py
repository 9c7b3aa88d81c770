from notifications.models.channels import Delivery, NotificationChannel

__all__ = ["Delivery", "NotificationChannel"]
