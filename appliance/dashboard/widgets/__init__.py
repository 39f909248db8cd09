"""What the screens are made of: rows of styled words, some with a cursor."""
