"""What does removing LayerNorm's parameters do to memorised labels, in Pre- and Post-LN networks?"""
