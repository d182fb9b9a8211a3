"""An app with each fault that the doctor finds; "fault: D001" marks where it must find it."""
