"""An app with a model for each thing that tracking has to get right."""
