"""What does removing the parameters of LayerNorm do to memorised labels, before and after a block's addition?"""
