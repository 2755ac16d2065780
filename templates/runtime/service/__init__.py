"""What stores and processes share: settings, RPCs as they are served, and the program around a server."""
