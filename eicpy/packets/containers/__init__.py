"""What packets lie in: compressed files, hexadecimal text, captures of a network, transfer frames."""
