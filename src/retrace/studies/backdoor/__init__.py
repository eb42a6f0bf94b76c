"""Can a backdoor be taken out of a language model without knowing its trigger or having a clean copy?"""
