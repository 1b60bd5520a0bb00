"""HGN, the networks it is compared with, and files of their weights."""
