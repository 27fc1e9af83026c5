"""OpenGSPR's datasets: manifest, readers, splits, export. Not the package of the same name by Hugging Face."""
