"""Doctor:

whether all is ready for a run. Its checks never write, send or change anything. Entry module: `examine.py`.
"""
