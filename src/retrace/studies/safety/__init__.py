"""Do a few units of a language model carry its refusals, and does freezing them keep its safety?"""
