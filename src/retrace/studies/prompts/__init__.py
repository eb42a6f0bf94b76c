"""Can a prompt be drawn from private records by votes, what does it cost, and does it help?"""
