"""Problems: what they are, how they read, how they are drawn."""
