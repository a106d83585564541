"""How results look: tables, pictures, scraps, text on a terminal."""
