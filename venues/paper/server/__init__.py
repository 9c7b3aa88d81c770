"""The paper exchange's front door: REST, WebSocket and control API on one port."""
