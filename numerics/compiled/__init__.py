"""Flows of small matrices in machine code; needs the extra `compiled`, so import it only where it is used."""
