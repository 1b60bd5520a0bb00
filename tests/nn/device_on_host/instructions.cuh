inline float at_least(float x, float least) { return x < least ? least : x; }
inline void bring_near(const float* from) { (void)*(const volatile float*)from; }
