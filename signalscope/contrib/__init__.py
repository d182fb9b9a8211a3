"""What joins signalscope to other packages, where they are used."""
