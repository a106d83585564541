"""`futurscam doctor`: what usually goes wrong, each thing with its remedy; nothing is written, nothing is started."""
